"""Harbour, a practice in any store of outreach, and steps that tests of the stores share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from outreach_service.domain.message_views import MessageRow
from outreach_service.domain.messages import State
from outreach_service.domain.playbook import message_id
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.records import (
    AppliedOutcome,
    AttemptKey,
    ContactKey,
    DueMessage,
    FinishedAttempt,
    MessageKey,
    NewAttempt,
    PlannedMessage,
    Share,
    Situation,
)
from outreach_service.ports.store import Stores
from tests.support.generators.outreach_values import a_change, a_play, a_play_document

PRACTICE, ADA = "harbour", "ada"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PHONE = ContactKey(PRACTICE, ADA, Channel.SMS)


class StoreAdapter(Protocol):
    """An empty database of outreach, and a look behind its ports. `stores` are a worker's, and
    `api_stores` those of the API, which sees one practice at a time."""

    stores: Stores
    api_stores: Stores

    def read_up_to(self, instant: datetime) -> None:
        """Bring the business time of all inputs to an instant, as the loop does."""

    def pass_real_time(self, seconds: float) -> None:
        """Let real time pass for leases, waits and attempts."""

    def put_contact(self, key: ContactKey, blind_index: str) -> None:
        """Set a contact point, with the name and address `sealed`, in English."""

    def put_consent(self, key: ContactKey, purpose: Purpose, *, granted: bool) -> None:
        """Append a statement of consent that is made later than those before it."""

    def put_playbook(self, practice_id: str, document: Mapping[str, Any]) -> None:
        """Save a practice's own playbook."""

    def put_permits(self, channel: Channel, tokens: int) -> None:
        """Set how many permits a channel has; practically none come by themselves."""

    def pause(self, practice_id: str) -> None:
        """Pause a practice's outreach."""

    def restored_at(self, instant: datetime) -> None:
        """Leave the fence of a restore at this business time."""

    def events(self) -> Sequence[tuple[str, str]]:
        """Message id and state of each event in the outbox, in order."""


@dataclass
class Harbour:
    """A practice in an adapter, with steps that the tests share."""

    adapter: StoreAdapter
    stores: Stores = field(init=False)

    def __post_init__(self) -> None:
        self.stores = self.adapter.stores
        self.adapter.read_up_to(NOON)
        self.save_practice("Harbour")

    def save_practice(
        self,
        name: str,
        zone: str = "Europe/London",
        said_at: datetime = NOON,
        discreet_name: str | None = None,
    ) -> None:
        practice = {
            "practice_id": PRACTICE,
            "name": name,
            "zone": zone,
            "currency": "GBP",
            "region": "GB",
            "discreet_name": discreet_name,
            "said_at": said_at,
        }
        with self.stores.open() as store:
            store.inputs.save_practice(practice)

    def add(self, *messages: PlannedMessage) -> list[str]:
        with self.stores.open() as store:
            return list(store.queue.add(messages))

    def due(self, now: datetime = NOON, most: int = 10, after: str = "") -> list[DueMessage]:
        """What is due in any lane, one lane after the other."""
        lanes: list[Channel | None] = [None, *Channel]
        with self.stores.open() as store:
            shares = [store.queue.lock_due(now, Share(lane, most, after)) for lane in lanes]
        return [message for messages in shares for message in messages]

    def due_ids(self, now: datetime = NOON, most: int = 10, after: str = "") -> list[str]:
        return [each.message_id for each in self.due(now, most, after)]

    def claim(self, message: PlannedMessage, number: int = 1, index: str = "phone-1") -> AttemptKey:
        attempt = NewAttempt(PRACTICE, message.message_id, number, "sms", "check-in", index)
        with self.stores.open() as store:
            store.queue.claim([attempt], NOON, 60)
        return AttemptKey(PRACTICE, message.message_id, number)

    def apply(self, key: AttemptKey, state: State, **changes: Any) -> None:
        applied = AppliedOutcome(PRACTICE, key.message_id, str(state), None, None, NOON, 0, None)
        with self.stores.open() as store:
            store.queue.finish([FinishedAttempt(*key, changes.pop("outcome", "accepted"), None)])
            store.queue.apply([applied._replace(**changes)])

    def situation(self, since: datetime = NOON - 7 * DAY) -> Situation:
        """Ada's, by the one message that is due."""
        (message,) = self.due(most=1)
        with self.stores.open() as store:
            found = store.clients.lock_situations([message], NOON, since)
        assert list(found) == [message.message_id]
        return found[message.message_id]

    def row(self, message: PlannedMessage) -> MessageRow:
        with self.adapter.api_stores.open(PRACTICE) as store:
            stored = store.messages.find(key_of(message))
        assert stored is not None
        return stored.row


def a_message(
    version: int = 1,
    due_at: datetime = NOON,
    client: str = ADA,
    scheme: str = "rfm",
    practice: str = PRACTICE,
) -> PlannedMessage:
    """A check-in by any channel."""
    moved = a_change(effective_at=due_at)
    change = replace(moved, practice_id=practice, client_id=client, scheme=scheme, version=version)
    return PlannedMessage(
        message_id=message_id(practice, client, "check-in", change.occasion, 0),
        occasion=change.occasion,
        change=change,
        partition=3,
        play=a_play(),
        play_body=a_play_document(),
        step=0,
        due_at=due_at,
    )


def key_of(message: PlannedMessage) -> MessageKey:
    return MessageKey(message.change.practice_id, message.message_id)
