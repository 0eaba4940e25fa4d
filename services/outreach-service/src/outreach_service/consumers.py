"""What becomes of a batch: practices and activity are saved, tier changes settle, and what they
come to is answered by messages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from outreach_service import translate
from outreach_service.domain.care import STATEMENTS, CareWord, Flag
from outreach_service.domain.care_gaps import Numbered
from outreach_service.domain.consents import ConsentStatement
from outreach_service.domain.generations import Told
from outreach_service.domain.settling import HeardChange
from outreach_service.domain.terms import Reason
from outreach_service.handlers.care import hear_care
from outreach_service.handlers.generations import hear_facts
from outreach_service.handlers.planning import (
    PlaybookDocument,
    Plays,
    ReadPlaybook,
    hear_changes,
    settle_ended,
)
from outreach_service.ports.inputs import Inputs
from outreach_service.ports.records import ActivitySeen, BookingDelta, Hold
from outreach_service.ports.store import Store, Stores
from rapport_contracts import topics
from rapport_contracts.canonical import (
    ActivityRecorded,
    GenerationOpened,
    HoldChanged,
    KeyChanged,
    PracticeRegistered,
    TierChanged,
    UnknownEvent,
)
from rapport_contracts.care_signals import CareRecorded
from rapport_runtime.bus.port import TopicPartition
from rapport_runtime.errors import InvalidRecord, RefusedRecord
from rapport_runtime.logs import get_logger
from rapport_runtime.ops.shared_keys import key_columns
from rapport_runtime.stream.batch import Batch, BatchHandler, PartitionBatch, Sender, Watermark
from rapport_runtime.stream.positions import Position

log = get_logger(__name__)
_REASONS = frozenset(Reason)
WINDOWS_IN_A_STEP, STEPS_IN_A_TURN = 500, 10
"""Windows that are answered in one transaction, and such transactions in one turn of the loop."""
TOPICS = (
    *(topics.PRACTICES.name, topics.KEYS.name),
    *(topics.CLIENT_ACTIVITY.name, topics.TIER_CHANGES.name, topics.CARE_SIGNALS.name),
)
_ACTED_ON = frozenset(STATEMENTS) | {
    *("complaint_opened", "complaint_closed", "risk_noted", "risk_cleared", "withdrawn")
}
"""The signals of care by which something changes here; moods and surveys are passed over."""


class HoldChange(NamedTuple):
    """A hold begins or moves on (`is_held`), or it ends."""

    hold: Hold
    is_held: bool


@dataclass
class _Content:
    """What the records of a batch hold, in the order of the log. `told` is what they say of
    generations above the first, `care` the signals of care that change something, with their places
    in the batch, `numbered` all of them by number, `cases` where cases stand. `incarnations` are
    the last that ingestion's records name in each partition."""

    practices: list[Mapping[str, str | None]] = field(default_factory=list)
    keys: list[Mapping[str, Any]] = field(default_factory=list)
    seen: list[ActivitySeen] = field(default_factory=list)
    deltas: list[BookingDelta] = field(default_factory=list)
    told: list[tuple[Told, PartitionBatch]] = field(default_factory=list)
    changes: list[HeardChange] = field(default_factory=list)
    holds: list[HoldChange] = field(default_factory=list)
    incarnations: dict[int, str] = field(default_factory=dict)
    care: dict[int, tuple[CareWord, PartitionBatch, int]] = field(default_factory=dict)
    statements: list[tuple[CareWord, ConsentStatement]] = field(default_factory=list)
    cases: list[Flag] = field(default_factory=list)
    numbered: list[tuple[Numbered, PartitionBatch]] = field(default_factory=list)


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
        self._plays = Plays(read_playbook, playbook)
        self._publish = publish
        self._wake = wake
        self._handled = False
        self._settles_on = False

    def decode(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        """See `BatchHandler.decode`."""
        return translate.decode(topic, key, value)

    def sender_of(self, value: bytes | None) -> Sender:
        """See `BatchHandler.sender_of`."""
        return translate.sender(value)

    def handle(self, tx: Any, batch: Batch) -> None:
        """Save what came; tier changes first, since their windows are locked before all else."""
        content = _content_of(batch)
        store = self._stores.within(tx)
        hear_changes(store, self._plays, content.changes)
        for practice in content.practices:
            store.inputs.save_practice(practice)
        for key in content.keys:
            store.inputs.save_key(key)
        superseded = hear_facts(
            store, content.seen, content.deltas, [told for told, _ in content.told]
        )
        _pass_over(superseded, content, batch)
        _change_holds(store.inputs, content)
        _hear_care(store, content, batch)
        self._handled = True

    def after_commit(self, held: Mapping[TopicPartition, Position]) -> None:
        """Answer what has settled, wake the dispatcher to send it, and publish what became of
        messages. Where much has settled, it goes on in the next turns."""
        self._settles_on = not any(self._is_settled() for _ in range(STEPS_IN_A_TURN))
        if self._handled:
            self._handled = False
            self._wake()
        self._publish()

    def may_wait(self) -> bool:
        """See `BatchHandler.may_wait`: not while more has settled."""
        return not self._settles_on

    def _is_settled(self) -> bool:
        """Answer some of what has settled; True when no more is left."""
        with self._stores.open() as store:
            ended = settle_ended(store, self._plays, WINDOWS_IN_A_STEP)
        self._handled = self._handled or ended > 0
        return ended < WINDOWS_IN_A_STEP


def _content_of(batch: Batch) -> _Content:
    """What the batch holds; what this version does not know is passed over, and counted."""
    content = _Content()
    for part in batch.partitions:
        for index, event in enumerate(part.events):
            if isinstance(event, ActivityRecorded):
                _add_activity(content, event, batch, part)
            elif isinstance(event, CareRecorded):
                _add_care(content, event, batch, part, index)
            elif isinstance(event, GenerationOpened):
                content.told.append((translate.opened(event), part))
            elif isinstance(event, UnknownEvent):
                batch.pass_over(part, "type")
                if (told := translate.told_by_number(event)) is not None:
                    content.told.append((told, part))
            else:
                _add_other(content, event, part)
        _add_changes(content, batch, part)
        _add_incarnation(content, part)
    return content


def _add_care(
    content: _Content, event: CareRecorded, batch: Batch, part: PartitionBatch, index: int
) -> None:
    """Add a signal of care; one that cannot be read becomes a dead letter, and has not come."""
    word = translate.care_word(event)
    numbered = Numbered(word.key[:2], word.sequence, word.accepted_at)
    if event.data.kind not in _ACTED_ON:
        batch.pass_over(part, "kind")
        content.numbered.append((numbered, part))
        return
    try:
        statement = translate.statement_of(word)
    except InvalidRecord as invalid:
        batch.reject(part, index, invalid)
        return
    content.care[id(word)] = (word, part, index)
    content.numbered.append((numbered, part))
    if statement is not None:
        content.statements.append((word, statement))


def _hear_care(store: Store, content: _Content, batch: Batch) -> None:
    """Last of all, since a claim locks a client after its messages."""
    if not content.numbered and not content.cases:
        return
    words = [word for word, _, _ in content.care.values()]
    numbered = [each for each, _ in content.numbered]
    heard = hear_care(store, words, content.cases, content.statements, numbered)
    parts = {each.client: part for each, part in content.numbered}
    for gap in heard.gaps:
        batch.pass_over(parts[gap.key[:2]], "missing")
        log.warning("care_signal_missing", client_id=gap.client_id, sequence=gap.sequence)
    for refused in heard.refused:
        _, part, index = content.care[id(refused)]
        why = "the id of this statement stands for another one"
        other = RefusedRecord("conflicting-duplicate", why, practice_id=refused.practice_id)
        batch.reject(part, index, other)


def _add_other(content: _Content, event: Any, part: PartitionBatch) -> None:
    """Add what is of no client."""
    if isinstance(event, PracticeRegistered):
        content.practices.append(translate.practice(event))
    elif isinstance(event, KeyChanged):
        content.keys.append(key_columns(event.data))
    elif isinstance(event, HoldChanged):
        hold = translate.hold(event, part.partition.partition)
        content.holds.append(HoldChange(hold, event.data.held))


def _add_incarnation(content: _Content, part: PartitionBatch) -> None:
    if part.partition.topic == topics.CLIENT_ACTIVITY.name:
        named = (getattr(event, "incarnation", None) for event in reversed(part.events))
        for digits in filter(None, named):
            content.incarnations[part.partition.partition] = digits
            break


def _change_holds(inputs: Inputs, content: _Content) -> None:
    """Begin, move and end holds; those of a database of before end when it has been restored."""
    for hold, is_held in content.holds:
        (inputs.save_hold if is_held else inputs.end_hold)(hold)
    inputs.end_other_holds(content.incarnations)


def _add_activity(
    content: _Content, event: ActivityRecorded, batch: Batch, part: PartitionBatch
) -> None:
    if not translate.knows_kind(event):
        batch.pass_over(part, "kind")
    if (case := translate.case_of(event)) is not None:
        content.cases.append(case)
    if event.data.generation != translate.FIRST_GENERATION:
        content.told.append((translate.told(event), part))
        return
    if (seen := translate.activity_seen(event)) is not None:
        content.seen.append(seen)
    if (delta := translate.booking_delta(event)) is not None:
        content.deltas.append(delta)


def _pass_over(superseded: Sequence[Told], content: _Content, batch: Batch) -> None:
    parts = {id(told): part for told, part in content.told}
    for each in superseded:
        batch.pass_over(parts[id(each)], "superseded")


def _add_changes(content: _Content, batch: Batch, part: PartitionBatch) -> None:
    """Each tier change, with the last watermark before it in the log."""
    heard_at = part.position.processed_through
    for event in part.events:
        if isinstance(event, Watermark):
            heard_at = max(heard_at or event.up_to, event.up_to)
        elif isinstance(event, TierChanged):
            if event.data.reason not in _REASONS:
                batch.pass_over(part, "reason")
            change = translate.change(event)
            content.changes.append(HeardChange(change, part.partition.partition, heard_at))
