"""What tier changes come to within a settling time, from one partition's log; no service code."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

Json = Mapping[str, Any]
ORDER = ("prospect", "iron", "bronze", "silver", "gold")
"""The tiers of the built-in rulebook, the lowest first."""
SETTLE = {"activity", "correction", "elapsed_time"}
_UNITS = {"W": "weeks", "D": "days", "H": "hours", "M": "minutes", "S": "seconds"}
Client = tuple[str, str]


def length(text: str) -> timedelta:
    """An ISO 8601 duration of fixed length."""
    parts = re.findall(r"([0-9]+)([WDHMS])", text)
    return timedelta(**{_UNITS[unit]: int(number) for number, unit in parts})


class Answered(NamedTuple):
    """What plays that settle for `after` (None: any) must answer, due from `at` on; `change` has
    the tiers and direction of all that was added up."""

    after: timedelta | None
    at: datetime
    practice_id: str
    change: Json


class _Open(NamedTuple):
    ends_at: datetime
    changes: list[Json]


def answered(log: Sequence[Json], lengths: Collection[timedelta]) -> Iterator[Answered]:
    """Everything that plays must answer, from the events and watermarks of a partition in order."""
    told: dict[Client, tuple[str, datetime, int]] = {}
    windows: dict[Client, dict[timedelta, _Open]] = defaultdict(dict)
    now: datetime | None = None
    for event in log:
        if event["type"] == "rapport.watermark.advanced.v1":
            up_to = datetime.fromisoformat(event["data"]["up_to"])
            now = max(now or up_to, up_to)
            yield from _over(windows, now)
            continue
        change = event["data"]
        client = (event["practiceid"], change["client_id"])
        if not change["primary"] or not _is_news(change, told.get(client)):
            continue
        at = datetime.fromisoformat(change["effective_at"])
        told[client] = (change["scheme"], at, change["version"])
        if change["reason"] not in SETTLE or change["origin"] != "live":
            windows.pop(client, None)
            yield Answered(None, at, client[0], change)
            continue
        for after in sorted(lengths):
            yield from _taken(windows[client], after, change, client[0], now)


def _is_news(change: Json, told: tuple[str, datetime, int] | None) -> bool:
    at = datetime.fromisoformat(change["effective_at"])
    if told is None or told[0] != change["scheme"]:
        return told is None or at >= told[1]
    return (at, change["version"]) > told[1:]


def _taken(
    windows: dict[timedelta, _Open],
    after: timedelta,
    change: Json,
    practice_id: str,
    now: datetime | None,
) -> Iterator[Answered]:
    at = datetime.fromisoformat(change["effective_at"])
    window = windows.get(after)
    if window is not None and window.changes[0]["scheme"] != change["scheme"]:
        window = windows.pop(after) and None
    if window is not None and at < window.ends_at:
        window.changes.append(change)
        return
    if window is not None:
        yield from _said(after, windows.pop(after), practice_id)
    begins = now if after and now is not None and at + after <= now else at
    windows[after] = _Open(begins + after, [change])
    if not after:
        yield from _said(after, windows.pop(after), practice_id)


def _over(windows: Mapping[Client, dict[timedelta, _Open]], now: datetime) -> Iterator[Answered]:
    for (practice_id, _), own in windows.items():
        for after in [each for each, window in own.items() if window.ends_at <= now]:
            yield from _said(after, own.pop(after), practice_id)


def _said(after: timedelta, window: _Open, practice_id: str) -> Iterator[Answered]:
    first, last = window.changes[0], window.changes[-1]
    before, tier = first["from_tier"], last["to_tier"]
    if before == tier:
        return
    by_time = all(change["reason"] == "elapsed_time" for change in window.changes)
    if len(window.changes) == 1:
        direction = first["direction"]
    elif before is None:
        direction = "entered"
    else:
        direction = "upgraded" if ORDER.index(tier) > ORDER.index(before) else "downgraded"
    if direction in {"downgraded", "left"} and not by_time:
        return
    happened = [change["happened_at"] for change in window.changes if change.get("happened_at")]
    summed = {
        **last,
        "from_tier": before,
        "direction": direction,
        "reason": "elapsed_time" if by_time else "activity",
        "happened_at": min(map(datetime.fromisoformat, happened)).isoformat() if happened else None,
    }
    yield Answered(after, window.ends_at, practice_id, summed)
