"""What the use cases read and write: one store a transaction, in parts, and where stores come from.

A store decides nothing. What locks, and in which order, is part of each promise below.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from outreach_service.domain.consents import (
    Appended,
    ConsentStatement,
    ContactUpdate,
    RecordedStatement,
    Recording,
)
from outreach_service.domain.contact_points import Point
from outreach_service.domain.message_views import AttemptRow
from outreach_service.domain.permissions import ClientWord
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports.care import CareFlags
from outreach_service.ports.contacts import ContactPoint, PracticeHome, SealedContact, StoredContact
from outreach_service.ports.inputs import Inputs
from outreach_service.ports.reads import PersonalReads
from outreach_service.ports.records import (
    AppliedOutcome,
    AttemptHistory,
    AttemptKey,
    ContactKey,
    DueMessage,
    FinishedAttempt,
    LaneChange,
    LostAttempt,
    MessageEvent,
    MessageKey,
    NewAttempt,
    PlannedMessage,
    Recipient,
    RestingPoint,
    Saying,
    Share,
    Situation,
    StateChange,
    StoredMessage,
    StoredPlaybook,
    Strike,
    TriedMessage,
)
from outreach_service.ports.settling import Settling


class Queue(Protocol):
    """The messages and their attempts, as the sending side reads and writes them."""

    def add(self, planned: Sequence[PlannedMessage]) -> Collection[str]:
        """Insert messages, `scheduled` for their due time; returns the ids of those that were not
        there before. No id occurs twice in `planned`."""
        ...

    def lock_unbegun(self, sayings: Collection[Saying]) -> list[DueMessage]:
        """The waiting messages of these plays of which no step was ever tried for their occasion,
        locked in the order of their keys."""
        ...

    def has_due(self, now: datetime) -> bool:
        """Whether any message is due; nothing is locked, and those that a pause stops count too."""
        ...

    def lock_due(self, now: datetime, share: Share) -> list[DueMessage]:
        """The messages of a share in the order of their turns, a practice's earliest first, locked;
        without those that another transaction holds or that a pause stops."""
        ...

    def histories(self, messages: Sequence[MessageKey]) -> Mapping[str, AttemptHistory]:
        """What was tried before, by message id; nothing for those without an attempt."""
        ...

    def claim(self, attempts: Sequence[NewAttempt], now: datetime, lease_seconds: float) -> None:
        """Set messages `sending`, leased for so many real seconds, and insert their attempts."""
        ...

    def change_states(self, changes: Sequence[StateChange], now: datetime) -> None:
        """Set states, reasons and the times of the next decision."""
        ...

    def change_lanes(self, changes: Sequence[LaneChange]) -> None:
        """Let messages wait in other lanes."""
        ...

    def end_repeats_of(self, messages: Sequence[MessageKey]) -> None:
        """Let messages of unknown outcome not be repeated any more."""
        ...

    def end_overdue_repeats(self) -> None:
        """End the repeats of every message whose key its provider no longer knows."""
        ...

    def lost(self) -> list[LostAttempt]:
        """The attempts of claimed messages whose lease has ended, a bounded number."""
        ...

    def lock_tried(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, TriedMessage]:
        """The messages of these attempts, locked in the order of their keys."""
        ...

    def finish(self, attempts: Sequence[FinishedAttempt]) -> None:
        """Save what came of attempts, finished now on the real clock."""
        ...

    def apply(self, outcomes: Sequence[AppliedOutcome]) -> None:
        """Set messages as their outcomes say, and end their leases."""
        ...


class Clients(Protocol):
    """What is known of the clients to whom messages go."""

    def lock_situations(
        self, due: Sequence[DueMessage], now: datetime, since: datetime
    ) -> Mapping[str, Situation]:
        """The situation of each message's client, by message id, with what was sent after `since`.

        First the clients are locked, then their contact points (families share phones), each in
        the order of the keys, and everything is read under these locks: consents, claims and caps
        of one client never pass each other (R24, R25).
        """
        ...

    def recipients(self, contacts: Sequence[ContactKey]) -> Mapping[ContactKey, Recipient]:
        """The contact points, and by what name their practices go."""
        ...

    def reachable(
        self, clients: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Collection[tuple[Channel, Purpose]]]:
        """The channels where clients, given as (practice id, client id), have a contact point with
        a consent that holds there, and its purpose; nothing is locked."""
        ...

    def is_known(self, practice_id: str, client_id: str) -> bool:
        """Whether the bus has brought anything of the client, or there is a contact or consent."""
        ...


class Contacts(Protocol):
    """The clients' contact points; addresses and names are sealed."""

    def save(self, practice_id: str, contacts: Sequence[SealedContact]) -> None:
        """Insert contact points, or replace those that are there. No client and channel occurs
        twice in `contacts`."""
        ...

    def remove(self, key: ContactKey) -> bool:
        """Delete a contact point; False when there is none."""
        ...

    def points(
        self, practice_id: str, client_ids: Collection[str]
    ) -> Mapping[ContactKey, list[Point]]:
        """The contact points that the clients ever had, of each channel by their time."""
        ...

    def add_points(self, points: Sequence[tuple[ContactKey, Point]]) -> None:
        """Insert points; none of them has the time of one that is there."""
        ...

    def of_client(
        self, practice_id: str, client_id: str, now: datetime | None
    ) -> list[StoredContact]:
        """A client's contact points, by channel, with those rests that hold at `now`; without a
        time, each that was not ended by a statement of the client."""
        ...

    def home(self, practice_id: str) -> PracticeHome | None:
        """Where the practice is; None while it is not known."""
        ...

    def rest(self, points: Sequence[RestingPoint]) -> None:
        """Let contact points rest, whoever has them. The rest of a point ends for a client who
        states consent to the channel after its beginning, and for one who gets another point."""
        ...


class Consents(Protocol):
    """The clients' statements of consent, which are only ever added, and what they come to."""

    def append(
        self, practice_id: str, statements: Sequence[ConsentStatement], recording: Recording
    ) -> Appended:
        """Add, in this order, the statements whose id is new."""
        ...

    def statements(
        self, practice_id: str, client_ids: Collection[str]
    ) -> Mapping[str, list[RecordedStatement]]:
        """All that the clients ever stated, by client; nothing for those who stated nothing."""
        ...

    def save_client_words(self, practice_id: str, words: Mapping[str, ClientWord]) -> None:
        """Replace what the statements of each client come to. The contact points of the opt-outs
        are locked first, in the order of the keys: no message is claimed for anybody there
        meanwhile."""
        ...


class Playbooks(Protocol):
    """The practices' own playbooks."""

    def find(self, practice_id: str) -> StoredPlaybook | None:
        """A practice's own playbook; None when it has none."""
        ...

    def save(self, practice_id: str, body: Mapping[str, Any]) -> StoredPlaybook:
        """Insert a playbook as version 1, or replace it and count its version up; returns it."""
        ...


class Rates(Protocol):
    """The permits of the channels' provider accounts, on the real clock (F35)."""

    def lease(self, wanted: int) -> dict[Channel, int]:
        """Take up to `wanted` permits of each account; they are this transaction's alone. A channel
        that is closed has none; when its time is over it has one, and the next after a while."""
        ...

    def give_back(self, unused: Mapping[Channel, int]) -> None:
        """Return permits that the transaction did not need."""
        ...

    def strike(self, strikes: Sequence[Strike]) -> None:
        """Close channels whose accounts were refused: at once, or after five strikes in a row."""
        ...

    def reopen(self, channels: Collection[Channel]) -> None:
        """The providers of these channels have accepted messages: open them, and forget strikes."""
        ...


class MessageTable(Protocol):
    """One practice's messages, as its people read and steer them."""

    def find(self, key: MessageKey) -> StoredMessage | None:
        """One message."""
        ...

    def lock(self, key: MessageKey) -> StoredMessage | None:
        """The same, its row locked; waits for a worker that is deciding on it."""
        ...

    def attempts(self, key: MessageKey) -> list[AttemptRow]:
        """Its attempts, by number."""
        ...

    def contact_points(
        self, practice_id: str, client_id: str, purpose: str
    ) -> Mapping[Channel, ContactPoint]:
        """A client's contact points, each with whether the purpose has consent there."""
        ...

    def practice_name(self, practice_id: str) -> str | None:
        """The practice's name; None while the practice is not known."""
        ...

    def approve(self, key: MessageKey, state: str, now: datetime) -> None:
        """Set the state, without a reason, approved, and to be decided on at `now`."""
        ...

    def cancel(self, key: MessageKey, state: str, reason: str, now: datetime) -> None:
        """Set the state and why."""
        ...


class ContactCipher(Protocol):
    """Seals and opens contact details."""

    def seal(self, practice_id: str, update: ContactUpdate) -> SealedContact:
        """A contact point with its address and name sealed for its row."""
        ...

    def address(self, key: ContactKey, sealed: str) -> str:
        """The address of a contact point. Raises UnreadableContact."""
        ...

    def name(self, key: ContactKey, sealed: str) -> str:
        """The client's name that is stored with a contact point. Raises UnreadableContact."""
        ...


class Store(Protocol):
    """All that outreach keeps, within one transaction."""

    @property
    def inputs(self) -> Inputs:
        """What the bus brings."""
        ...

    @property
    def settling(self) -> Settling:
        """The tier changes that settle."""
        ...

    @property
    def queue(self) -> Queue:
        """The messages, for sending."""
        ...

    @property
    def clients(self) -> Clients:
        """The clients."""
        ...

    @property
    def rates(self) -> Rates:
        """The permits."""
        ...

    @property
    def messages(self) -> MessageTable:
        """The messages, for people."""
        ...

    @property
    def contacts(self) -> Contacts:
        """The contact points."""
        ...

    @property
    def consents(self) -> Consents:
        """The statements of consent."""
        ...

    @property
    def playbooks(self) -> Playbooks:
        """The playbooks."""
        ...

    @property
    def reads(self) -> PersonalReads:
        """What was read of clients."""

    @property
    def care(self) -> CareFlags:
        """What other systems have noted."""
        ...

    def lock_clients(self, practice_id: str, client_ids: Iterable[str]) -> None:
        """Lock clients in the order of their keys, until the transaction ends: no message of theirs
        is claimed meanwhile. A write of contacts or consents takes this lock before all else (L1,
        R25)."""
        ...

    def business_time(self) -> datetime | None:
        """The time by which everything is stamped; None before there is any."""
        ...

    def publish(self, events: Sequence[MessageEvent]) -> None:
        """Append events to the outbox, in this order."""
        ...


class Stores(Protocol):
    """Where a store comes from: the loop's transaction, or one of its own."""

    def within(self, tx: Any) -> Store:
        """The store in a transaction that somebody else commits."""
        ...

    def open(self, practice_id: str | None = None) -> AbstractContextManager[Store]:
        """A store whose transaction ends with the block, rolled back by any exception. The API's
        role sees the rows of `practice_id` alone; a worker names none."""
        ...
