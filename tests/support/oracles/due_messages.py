"""Which messages must exist, from the bus and the playbook: what settles, and which plays answer.

No service code: the plays are read from the playbook's JSON.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tests.support.oracles.settling import answered, length

Json = Mapping[str, Any]


class Identity(NamedTuple):
    """What makes a message that message: a change that comes twice plans it once."""

    practice_id: str
    client_id: str
    play: str
    occasion: str
    step: int


class Due(NamedTuple):
    """A message that must exist: why, and by which play and step. `told_by` is the watermark that
    follows its cause in the log: who has read that far knows of it."""

    play: Json
    step: Json
    change: Json
    at: datetime
    told_by: datetime


def due_messages(logs: Iterable[Sequence[Json]], playbook: Json) -> dict[Identity, Due]:
    """Every message that follows from the tier changes and watermarks in the partitions' logs."""
    due = {}
    lengths = {_settles_after(play) for play in playbook["plays"]}
    logs = list(logs)
    told_by = {change: up_to for log in logs for change, up_to in _told_by(log)}
    for said in (each for log in logs for each in answered(log, lengths)):
        for play in playbook["plays"]:
            if said.after not in {None, _settles_after(play)}:
                continue
            if not _answers(play["when"], said.change):
                continue
            for number, step in enumerate(play["steps"]):
                client = (said.practice_id, said.change["client_id"])
                occasion = f"tier {said.change['scheme']}:{said.change['version']}"
                due_at = said.at + length(step.get("delay", "PT0S"))
                mine = Identity(*client, play["key"], occasion, number)
                told = told_by[(*client, said.change["scheme"], said.change["version"])]
                due[mine] = Due(play, step, said.change, due_at, told)
    return due


def _told_by(log: Sequence[Json]) -> Iterator[tuple[tuple[str, str, str, int], datetime]]:
    """Each change of a partition, with the watermark that follows it; without one it is told at no
    time that is known."""
    up_to = datetime.max.replace(tzinfo=UTC)
    for event in reversed(log):
        change = event["data"]
        if event["type"] == "rapport.watermark.advanced.v1":
            up_to = datetime.fromisoformat(change["up_to"])
        else:
            client = event["practiceid"], change["client_id"]
            yield (*client, change["scheme"], change["version"]), up_to


def _settles_after(play: Json) -> timedelta:
    return length(play.get("settles_after", "PT2H"))


def expiry(due: Due) -> datetime:
    """When a message is of no use any more: by when it was due, or would have been, had its cause
    been told as it happened."""
    least = due.at
    if due.change.get("happened_at"):
        soonest = _settles_after(due.play) + length(due.step.get("delay", "PT0S"))
        least = min(least, datetime.fromisoformat(due.change["happened_at"]) + soonest)
    return least + length(due.play["expires_after"])


def _answers(when: Json, change: Json) -> bool:
    tiers_to, tiers_from = when.get("to_tiers"), when.get("from_tiers")
    return (
        change["direction"] in when["directions"]
        and change["reason"] in when.get("reasons", ("activity", "elapsed_time"))
        and change["origin"] in when.get("origins", ("live",))
        and (not tiers_to or change["to_tier"] in tiers_to)
        and (not tiers_from or change["from_tier"] is None or change["from_tier"] in tiers_from)
    )


def identity(message: Json) -> Identity:
    """The identity of a message as the API lists it, with its practice."""
    names = ("practice_id", "client_id", "play", "step")
    occasion = "{kind} {id}".format_map(message["occasion"])
    return Identity(**{name: message[name] for name in names}, occasion=occasion)
