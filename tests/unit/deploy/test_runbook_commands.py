"""Every command that a runbook prints is understood as it is printed."""

import os
import re
import shlex

import pytest

from ingestion_service import bootstrap as ingestion
from outreach_service import bootstrap as outreach
from rapport_runtime.cli import main
from rapport_runtime.settings import PREFIX
from scoring_service import bootstrap as scoring
from tests.support.deploy.alerting import RUNBOOKS

SERVICES = {
    "ingestion": ingestion.COMMANDS,
    "scoring": scoring.COMMANDS,
    "outreach": outreach.COMMANDS,
}
_PRINTED = re.compile(r"python -m (?P<service>\S+)_service (?P<words>[^`\n]+)")
ACTS = {"pause", "resume", "restored", "replay", "drop", "skip", "purge", "rebuild"}


def printed() -> list[tuple[str, str]]:
    """Service and words of each command; what the reader fills in is an x, or 1 for a number."""
    found = set()
    for page in RUNBOOKS.glob("*.md"):
        for command in _PRINTED.finditer(page.read_text("utf-8")):
            words = command["words"].partition(" >")[0].partition(" #")[0].replace("…", "x")
            words = words.replace("<id>", "1" if "letters" in words else "x")
            found.add((command["service"].replace("<service>", "scoring"), words.strip()))
    return sorted(found)


@pytest.mark.parametrize(("service", "words"), printed())
def test_a_printed_command_is_understood(
    service: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without an environment it comes as far as its settings, and no word was refused before."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    try:
        code = main(f"{service}_service", SERVICES[service], shlex.split(words))
    except SystemExit as end:
        pytest.fail(f"{words}: {end.code}, {capsys.readouterr().err}")
    assert code == 2
    assert f"{PREFIX}DATABASE_URL is missing" in capsys.readouterr().err


def test_a_printed_command_that_changes_something_says_who_gives_it() -> None:
    acting = [
        words for _, words in printed() if ACTS & set(shlex.split(words)) and "--why" in words
    ]
    assert len(acting) >= len(ACTS)
    assert [words for words in acting if "--by" not in words] == []
