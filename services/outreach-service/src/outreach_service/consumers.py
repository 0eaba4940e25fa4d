"""Which event goes where: practices and activity are remembered, tier changes become messages."""

from collections.abc import Callable, Mapping
from typing import Any

from outreach_service import translate
from outreach_service.handlers import TierTransition, plan_messages
from outreach_service.ports import ActivitySeen, BookingDelta, OutreachStore
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
    """What outreach does with a batch. `open_store` opens the store in the batch's transaction;
    `wake` is called after a commit, for whoever waits for something to send."""

    def __init__(
        self,
        open_store: Callable[[Any], OutreachStore],
        playbook: Mapping[str, Any],
        publish: Callable[[], object],
        wake: Callable[[], object],
    ) -> None:
        self._open_store = open_store
        self._playbook = playbook
        self._publish = publish
        self._wake = wake
        self._handled = False

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        """See `BatchHandler.decode`."""
        return translate.decode(topic, key, value)

    def handle(self, tx: Any, batch: Batch) -> None:
        """Remember and plan; sending is the dispatcher's."""
        store = self._open_store(tx)
        seen: list[ActivitySeen | None] = []
        deltas: list[BookingDelta | None] = []
        transitions: list[TierTransition] = []
        for part in batch.partitions:
            for event in part.events:
                if isinstance(event, ActivityRecorded):
                    seen.append(translate.activity_seen(event))
                    deltas.append(translate.booking_delta(event))
                elif isinstance(event, TierChanged):
                    transitions.append(
                        TierTransition(translate.change(event), part.partition.partition)
                    )
                elif isinstance(event, PracticeRegistered):
                    store.save_practice(translate.practice(event))
        store.record_activity([each for each in seen if each])
        store.record_bookings([each for each in deltas if each])
        plan_messages(store, self._playbook, transitions)
        self._handled = True

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Say that there may be something to send, and publish what became of messages."""
        if self._handled:
            self._handled = False
            self._wake()
        self._publish()
