"""What becomes of a batch: practices and activity are saved, tier changes become messages."""

from collections.abc import Callable, Mapping
from typing import Any

from outreach_service import translate
from outreach_service.handlers.planning import (
    PlacedChange,
    PlaybookDocument,
    ReadPlaybook,
    plan_messages,
)
from outreach_service.ports.records import ActivitySeen, BookingDelta
from outreach_service.ports.store import Stores
from rapport_contracts import topics
from rapport_contracts.canonical import (
    ActivityRecorded,
    PracticeRegistered,
    TierChanged,
)
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.stream.batch import Batch, BatchHandler
from rapport_runtime.stream.positions import Position

TOPICS = (topics.PRACTICES.name, topics.CLIENT_ACTIVITY.name, topics.TIER_CHANGES.name)


class OutreachConsumer(BatchHandler):
    """What outreach does with a batch.

    `playbook` is the deployment's, which `read_playbook` reads as it does a practice's own. After a
    commit `publish` is called, and `wake`, for the dispatcher that waits for something to send.
    """

    def __init__(
        self,
        stores: Stores,
        read_playbook: ReadPlaybook,
        playbook: PlaybookDocument,
        publish: Callable[[], object],
        wake: Callable[[], object],
    ) -> None:
        self._stores = stores
        self._read_playbook = read_playbook
        self._playbook = playbook
        self._publish = publish
        self._wake = wake
        self._handled = False

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        """See `BatchHandler.decode`."""
        return translate.decode(topic, key, value)

    def handle(self, tx: Any, batch: Batch) -> None:
        """Save what came, and plan messages; the dispatcher sends them."""
        store = self._stores.within(tx)
        seen: list[ActivitySeen | None] = []
        deltas: list[BookingDelta | None] = []
        changes: list[PlacedChange] = []
        for part in batch.partitions:
            for event in part.events:
                if isinstance(event, ActivityRecorded):
                    seen.append(translate.activity_seen(event))
                    deltas.append(translate.booking_delta(event))
                elif isinstance(event, TierChanged):
                    changes.append(PlacedChange(translate.change(event), part.partition.partition))
                elif isinstance(event, PracticeRegistered):
                    store.inputs.save_practice(translate.practice(event))
        store.inputs.record_activity([each for each in seen if each])
        store.inputs.record_bookings([each for each in deltas if each])
        plan_messages(store, self._read_playbook, self._playbook, changes)
        self._handled = True

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Wake the dispatcher, and publish what became of messages."""
        if self._handled:
            self._handled = False
            self._wake()
        self._publish()
