"""What workers found when they looked at their own output (ADR 28)."""

from pathlib import Path

from tests.support.pipeline.findings import Findings


def look_at_looks(logs: Path, findings: Findings) -> None:
    """How often workers looked at their own output, and which took their database for older."""
    texts = {log.name: log.read_text("utf-8", "replace") for log in logs.glob("*-worker-*.log")}
    findings.figures["looks"] = sum(text.count('"output_looked_at"') for text in texts.values())
    findings.faults["false alarms of a restore"] = sorted(
        name for name, text in texts.items() if '"database_is_older"' in text
    )
