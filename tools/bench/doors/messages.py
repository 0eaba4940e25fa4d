"""The door of due messages at outreach: from falling due to the provider's answer."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from rapport_contracts import canonical, codec, topics
from rapport_devkit.api_client import ApiClient
from rapport_devkit.stack import Stack
from rapport_runtime.bus.port import Outgoing
from tools.bench.doors.door import Door, Parties, Start, Waited, new_run, waited
from tools.bench.waits import in_turn

PLAYBOOK: dict[str, Any] = {
    "key": "bench",
    "plays": [
        {
            "key": "hello",
            "when": {"directions": ["entered"]},
            "purpose": "care",
            "mode": "send",
            "settles_after": "PT0S",
            "steps": [{"delay": "PT0S", "channels": [{"channel": "sms", "template": "welcome"}]}],
        }
    ],
}
"""Plans the one message that the others are copied from. The copies are service messages, which go
at any hour and have no cap, so that only turns let them wait; no built-in template is for those."""
CLIENTS = 100
"""Clients of each practice."""
BACKLOG, BACKLOG_A_SECOND = 150, 60
"""Messages to find the capacity: more than a provider's burst, and some for each second."""
CAPACITY_SECONDS, GRACE_SECONDS, PLANNED_SECONDS = 60.0, 20.0, 30.0

_PRACTICE = """
    INSERT INTO practice (practice_id, name, discreet_name, zone, currency)
    VALUES (%s, 'Harbour', 'Harbour', 'Asia/Shanghai', 'CNY')
"""
_PLANNED = "SELECT count(*) FROM message"
_COPY = """
    INSERT INTO message (practice_id, message_id, client_id, partition, play, step, occasion_kind,
        occasion_id, play_body, purpose, change, due_at, decide_at, state, changed_at, lane)
    SELECT %(practice)s, %(run)s || number, lpad(to_hex(number %% %(clients)s), 32, '0'),
        partition, play, step, occasion_kind, %(run)s || number,
        jsonb_set(play_body, '{purpose}', '"service"'), 'service', change, now, now, 'scheduled',
        now, 'sms'
    FROM (SELECT * FROM message LIMIT 1) AS planned, clock_timestamp() AS now,
        generate_series(%(first)s::int, %(last)s::int) AS number
"""
_SENT = """
    SELECT message_id, extract(epoch FROM due_at)::float8, (
        SELECT extract(epoch FROM max(finished_at))::float8 FROM attempt
        WHERE (attempt.practice_id, attempt.message_id) = (message.practice_id, message.message_id)
    )
    FROM message WHERE starts_with(message_id, %(run)s)
"""
Times = list[tuple[str, float, float | None]]
"""Of each message, when it fell due, and when the provider had answered."""


@dataclass
class MessagesDoor(Door):
    """Outreach's worker, which sends to the sandbox by the permits of a provider's account."""

    stack: Stack
    parties: Parties
    title: str = "messages, due to answered"
    unit: str = "messages"

    def prepare(self) -> None:
        """Make the practices and clients known, and let the worker plan the message that all
        others are copies of. Raises RuntimeError when it does not."""
        key = "contacts:write,consents:write"
        with self._database() as database:
            for practice in self.parties.everybody:
                database.execute(_PRACTICE, (practice,))
                api = self.stack.api("outreach", self.stack.create_key("outreach", key, practice))
                _make_reachable(api)
            producer = self.stack.producer()
            producer.publish([_entered(self.parties.flooder)])
            producer.close()
            deadline = time.monotonic() + PLANNED_SECONDS
            while database.execute(_PLANNED).fetchone() != (1,):
                if time.monotonic() > deadline:
                    raise RuntimeError("no message was planned")
                time.sleep(0.1)

    def capacity(self, seconds: float) -> float:
        """See `Door.capacity`: of the later half, since the first ones go by the burst."""
        run, count = new_run("c"), int(BACKLOG + seconds * BACKLOG_A_SECOND)
        with self._database() as database:
            self._add(database, run, self.parties.flooder, 1, count)
            times = self._times(database, run, count, CAPACITY_SECONDS)
        answered = sorted(at for _, _, at in times if at is not None)
        if len(answered) < count:
            raise RuntimeError(f"{len(answered)} of {count} messages were answered")
        later = answered[count // 2 :]
        return (len(later) - 1) / (later[-1] - later[0])

    @contextmanager
    def flooded(self, seconds_worth: float, capacity: float) -> Iterator[Start]:
        """See `Door.flooded`."""
        run, count = new_run("f"), int(seconds_worth * capacity)
        with self._database() as database:
            yield lambda: self._add(database, run, self.parties.flooder, 1, count)
        print(f"    {count:,} messages fell due")

    def paced(self, rate: float, seconds: float, start: Start = lambda: None) -> Waited:
        """See `Door.paced`."""
        run, count, begun = new_run("q"), int(rate * seconds), time.monotonic()
        with self._database() as database:
            start()
            for index in range(count):
                time.sleep(max(0.0, begun + index / rate - time.monotonic()))
                self._add(database, run, in_turn(self.parties.quiet, index), index, index)
            times = self._times(database, run, count, GRACE_SECONDS)
        sent = {name: due for name, due, _ in times}
        ended = {name: answered for name, _, answered in times if answered is not None}
        return waited(sent, ended, until=time.time())

    def _database(self) -> psycopg.Connection:
        return psycopg.connect(self.stack.database("outreach").worker_url, autocommit=True)

    def _add(
        self, database: psycopg.Connection, run: str, practice: str, first: int, last: int
    ) -> None:
        parameters = {
            "run": run,
            "practice": practice,
            "clients": CLIENTS,
            "first": first,
            "last": last,
        }
        database.execute(_COPY, parameters)

    def _times(self, database: psycopg.Connection, run: str, count: int, seconds: float) -> Times:
        """The times of a run's messages, once all are answered or so many seconds have passed."""
        deadline = time.monotonic() + seconds
        while True:
            times: Times = database.execute(_SENT, {"run": run}).fetchall()
            answered = sum(at is not None for _, _, at in times)
            if answered >= count or time.monotonic() > deadline:
                return times
            time.sleep(0.2)


def write_playbook(folder: Path) -> Path:
    """The playbook as a file, for the stack's options."""
    path = folder / "playbook.json"
    path.write_text(json.dumps(PLAYBOOK))
    return path


def _client_id(number: int) -> str:
    """As `_COPY` makes it: 32 hexadecimal digits."""
    return f"{number:032x}"


def _make_reachable(api: ApiClient) -> None:
    clients: Sequence[str] = [_client_id(number) for number in range(CLIENTS)]
    stated_at = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    contacts = [
        {"client_id": client, "channel": "sms", "address": f"138{number:08d}", "name": "Ada"}
        for number, client in enumerate(clients)
    ]
    consents = [
        {
            "id": f"{client}/{purpose}",
            "stated_at": stated_at,
            "client_id": client,
            "channel": "sms",
            "purpose": purpose,
            "granted": True,
            "evidence": "form",
            "text_version": "1",
        }
        for client in clients
        for purpose in ("care", "service")
    ]
    for path, items in (("/v1/contacts", contacts), ("/v1/consents", consents)):
        answer = api.post(path, {"items": items})
        refused = [item for item in answer["items"] if item["outcome"] != "saved"]
        if refused:
            raise RuntimeError(f"{path}: {refused[0]}")


def _entered(practice: str) -> Outgoing:
    """The first tier of a client, which makes one message due."""
    now, client = datetime.now(UTC), _client_id(0)
    change = canonical.TierChange(
        client_id=client,
        scheme="rfm",
        version=1,
        rulebook_version=1,
        primary=True,
        from_tier=None,
        to_tier="bronze",
        direction="entered",
        reason="activity",
        origin="live",
        effective_at=now,
        happened_at=None,
        activity_id=None,
        score=Decimal("50.00"),
        explanation=(),
        zone="Asia/Shanghai",
    )
    event = canonical.TierChanged(
        id=f"{practice}.{client}.1",
        source="bench",
        time=now,
        practiceid=practice,
        subject=client,
        data=change,
    )
    topic = topics.TIER_CHANGES
    partition = topics.partition_of(client, topic.partitions)
    return Outgoing(topic.name, partition, client.encode(), codec.encode(event))
