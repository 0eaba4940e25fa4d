"""What holds of signals, found from the whole set of their events, without any service code.

The rules are written here a second time. Events with one id are one signal; the last by (time,
rank, event id) says all that holds of it, and nothing does where that one withdraws it. A statement
of consent is an event of its own.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

Document = dict[str, Any]

_ENDS = frozenset(
    {
        "referral_converted",
        "case_closed",
        "arrears_cleared",
        "need_consent_withdrawn",
        "override_ended",
        "neutral_ended",
        "complaint_closed",
        "risk_cleared",
    }
)


class Holds(NamedTuple):
    """What holds of one signal: its family (`signal` or `care`), its kind, since when, and what is
    said of it; of a statement, that it was made."""

    practice_id: str
    source: str
    family: str
    name: str
    kind: str
    since: datetime
    said: tuple[tuple[str, Any], ...]


def what_holds(documents: Iterable[Document]) -> set[Holds]:
    """All that holds; `withdrawn` is said of what was withdrawn."""
    signals: dict[tuple[str, str, str, str], dict[str, Document]] = defaultdict(dict)
    for document in documents:
        family, kind = document["type"].split(".")[1:3]
        name = document["data"].get("signal_id", document["id"])
        if kind.startswith("consent_"):
            name = f"statement {document['id']}"
        key = (document["practiceid"], document["source"], family, name)
        signals[key][document["id"]] = document
    return {_holds(key, list(events.values())) for key, events in signals.items()}


def _holds(key: tuple[str, str, str, str], events: list[Document]) -> Holds:
    last = max(events, key=_order)
    said = {name: value for name, value in last["data"].items() if name != "signal_id"}
    kind = last["type"].split(".")[2]
    return Holds(*key, kind, _time(last), tuple(sorted(said.items())))


def _order(document: Document) -> tuple[datetime, int, str]:
    kind = document["type"].split(".")[2]
    rank = 2 if kind == "withdrawn" else int(kind in _ENDS)
    return _time(document), rank, document["id"]


def _time(document: Document) -> datetime:
    return datetime.fromisoformat(document["time"])
