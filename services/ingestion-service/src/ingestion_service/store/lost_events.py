"""What the topics have and a restored ledger lacked, for the command `restored`."""

import json
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from rapport_contracts.canonical import (
    ActivityRecorded,
    GenerationOpened,
    Key,
    KeyChanged,
    Practice,
    PracticeRegistered,
)
from rapport_contracts.care_signals import CareRecorded
from rapport_contracts.codec import event_or_none
from rapport_runtime.database import fetch
from rapport_runtime.stream.restored import LostRecord

_PRESENT: Final = """
    SELECT practice_id, source, event_id
    FROM unnest(%(practices)b::text[], %(sources)b::text[], %(events)b::text[])
        AS lost(practice_id, source, event_id)
    WHERE EXISTS (
        SELECT FROM ledger WHERE ledger.practice_id = lost.practice_id
        AND ledger.source = lost.source AND ledger.event_id = lost.event_id)
"""
_PRACTICE_FIELDS: Final = ("name", "zone", "currency", "region", "discreet_name")
Cause = tuple[str, str, str]


def report_lost(tx: sa.Connection, records: Sequence[LostRecord]) -> list[str]:
    """A line for each practice that was announced, with what registers it again; for each API key
    that was made or ended, with what it was then; for each source
    event of which activities are lost, by practice, source and event id; for each client that was
    registered, with the time; and for each that was rebuilt, and is to be rebuilt again. Fields are
    separated by tabs. An event that was taken in again is marked: its activities are others."""
    practices: dict[str, str] = {}
    keys: dict[str, str] = {}
    causes: dict[Cause, list[str]] = {}
    others: list[str] = []
    for record in records:
        event = event_or_none(record.topic, record.key, record.value)
        if isinstance(event, PracticeRegistered):
            practices[event.practiceid] = _practice_line(event.data)
        elif isinstance(event, KeyChanged):
            keys[event.data.key_id] = _key_line(event.data)
        elif isinstance(event, GenerationOpened):
            generation = f"generation {event.data.generation}"
            others.append(f"rebuild\t{event.practiceid}\t{event.data.client_id}\t{generation}")
        elif isinstance(event, ActivityRecorded) and event.data.activity_id is None:
            data = event.data
            if data.source is None or data.cause_id is None:
                at = data.accepted_at.isoformat()
                others.append(f"{data.kind}\t{event.practiceid}\tclient {data.client_id}\t{at}")
                continue
            key = (event.practiceid, data.source, data.cause_id)
            causes.setdefault(key, []).append(f"{data.client_id}/{data.sequence}")
        elif isinstance(event, CareRecorded):
            key = (event.practiceid, event.data.source, event.data.cause_id)
            causes.setdefault(key, []).append(f"{event.data.client_id}/care {event.data.sequence}")
    taken_in_again = in_ledger(tx, list(causes))
    lines = [
        _line(cause, made, is_taken_in_again=cause in taken_in_again)
        for cause, made in causes.items()
    ]
    return [*practices.values(), *keys.values(), *lines, *others]


def in_ledger(tx: sa.Connection, causes: Sequence[Cause]) -> set[Cause]:
    """Those of these causes that the ledger has."""
    if not causes:
        return set()
    practices, sources, events = map(list, zip(*causes, strict=True))
    parameters = {"practices": practices, "sources": sources, "events": events}
    rows = fetch(tx, _PRESENT, parameters, prepare=False)
    return {(row.practice_id, row.source, row.event_id) for row in rows}


def _line(cause: Cause, activities: Sequence[str], *, is_taken_in_again: bool) -> str:
    practice_id, source, event_id = cause
    mark = "\ttaken in again" if is_taken_in_again else ""
    return f"event\t{practice_id}\t{source}\t{event_id}\tactivities {', '.join(activities)}{mark}"


def _key_line(key: Key) -> str:
    """A key that is not known here any more, or that holds here again and nowhere else."""
    ends = [
        f"{how} {at.isoformat()}"
        for how, at in (("expires", key.expires_at), ("revoked", key.revoked_at))
        if at is not None
    ]
    return "\t".join(["key", key.key_id, key.practice_id or "operator", *ends])


def _practice_line(practice: Practice) -> str:
    named = {field: getattr(practice, field) for field in _PRACTICE_FIELDS}
    body = {field: value for field, value in named.items() if value is not None}
    path = f"/v1/practices/{practice.practice_id}"
    return f"practice\t{practice.practice_id}\tPUT {path}\t{json.dumps(body, ensure_ascii=False)}"
