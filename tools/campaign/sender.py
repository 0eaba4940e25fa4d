"""A day's records on their way: spread over some seconds, by the bus or over REST."""

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import httpx

from rapport_devkit.api_client import ApiClient, ApiProblem
from tests.support.generators.poison import Document
from tests.support.generators.workload import PRACTICES, EventKey, Sent, Workload
from tests.support.servers.bus_log import RawProducer

CHUNKS = 16
FLOOD_RECORDS = 8_000
AMONG = 50
"""One of so many records of a flood is the other practice's."""
_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.5


class Sender:
    """Sends what a source sends and does not give up; `by_rest`: good events go to the API."""

    def __init__(
        self,
        workload: Workload,
        producer: RawProducer,
        practices: Mapping[str, Mapping[str, ApiClient]],
        *,
        by_rest: bool,
    ) -> None:
        self._workload = workload
        self._producer = producer
        self._practices = practices
        self._by_rest = by_rest

    def send(self, records: Sequence[Sent], seconds: float) -> None:
        """All records, in their order on each way, in chunks over so many seconds."""
        size = max(1, -(-len(records) // CHUNKS))
        for first in range(0, len(records), size):
            self._send_some(records[first : first + size])
            time.sleep(seconds / CHUNKS)

    def _send_some(self, records: Sequence[Sent]) -> None:
        by_bus = []
        by_rest: dict[str, list[Document]] = defaultdict(list)
        for sent in records:
            event = good_event(self._workload, sent) if self._by_rest else None
            if event is None:
                by_bus.append(sent)
            else:
                by_rest[event["practiceid"]].append(event)
        for practice_id, events in by_rest.items():
            self._post(practice_id, events)
        self._producer.send(by_bus)

    def _post(self, practice_id: str, events: list[Document]) -> None:
        """Hand in, and again whenever it is not sure that they were taken: that is safe."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                answer = self._practices[practice_id]["ingestion"].post("/v1/events", events)
            except (httpx.HTTPError, ApiProblem) as error:
                refused = isinstance(error, ApiProblem) and error.status < 500
                if refused or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                rejected = [item for item in answer["items"] if item["outcome"] == "rejected"]
                assert not rejected, rejected[:3]
                return


def flood(workload: Workload, day: int, producer: RawProducer) -> None:
    """Send again, thousands of times and at once, what one practice has sent before `day`, with a
    few records of the other between: all of them are duplicates, and change nothing."""
    known: dict[str, list[Sent]] = {practice.practice_id: [] for practice in PRACTICES}
    for sent in (each for records in workload.days[:day] for each in records):
        event = good_event(workload, sent)
        if event is not None:
            known[event["practiceid"]].append(sent)
    one, other = known.values()
    if not one or not other:
        return
    producer.send(
        other[number % len(other)] if number % AMONG == 0 else one[number % len(one)]
        for number in range(FLOOD_RECORDS)
    )


def good_event(workload: Workload, sent: Sent) -> Document | None:
    """The event of a record that must be accepted as it is; None for poison and contradictions."""
    if sent.value is None or len(sent.value) > 10_000:
        return None
    try:
        event = json.loads(sent.value)
        key = EventKey(event["practiceid"], event["source"], event["id"])
    except (ValueError, KeyError, TypeError):
        return None
    return event if workload.accepted.get(key) == event else None


def sent_until(workload: Workload, day: int) -> set[EventKey]:
    """The good events of which a record was sent on this day or before, or a letter replayed."""
    events = (
        good_event(workload, sent) for records in workload.days[: day + 1] for sent in records
    )
    return {EventKey(e["practiceid"], e["source"], e["id"]) for e in events if e is not None}
