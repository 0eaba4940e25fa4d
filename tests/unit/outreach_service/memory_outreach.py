"""Outreach's use cases over the store in memory, with the steps that their tests share."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from outreach_service.documents.playbooks import read_known_playbook
from outreach_service.domain.consents import ConsentStatement, Subscription, WayOut
from outreach_service.domain.messages import DEFAULT_RETRIES, Outcome
from outreach_service.domain.rules import DEFAULT_RULES, Rules
from outreach_service.domain.settling import HeardChange
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers.dispatch import (
    NOTHING_DUE,
    Claims,
    Look,
    Turns,
    dispatch_due,
    lease_permits,
)
from outreach_service.handlers.outcomes import record_outcomes, recover_lost
from outreach_service.handlers.planning import Plays, hear_changes
from outreach_service.handlers.preferences import withdraw_by_link
from outreach_service.ports.reads import Caller
from outreach_service.ports.records import ClaimedMessage, ContactKey
from outreach_service.ports.store import Stores
from tests.support.doubles.composer import dispatch_options
from tests.support.doubles.open_cipher import OpenCipher
from tests.support.generators.outreach_values import a_change, a_play_document
from tests.support.memory.outreach import MemoryStores
from tests.support.memory.outreach_rows import (
    Consent,
    Contact,
    Message,
    put_consent,
    put_contact,
)

PRACTICE, ADA, BEN = "harbour", "ada", "ben"
CALLER = Caller(PRACTICE, "0a1b2c3d4e5f6071")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EARLIER = NOON - 30 * DAY
PHONE = "+8613800138000"


def click(stores: Stores, subscription: Subscription, contact_index: str | None = None) -> None:
    """A click on the link of a message that went to this contact point."""
    withdraw_by_link(stores, WayOut(subscription, contact_index))


class MemoryOutreach:
    """A practice in London whose one play answers a fall to bronze with a check-in, for care."""

    def __init__(self) -> None:
        self.stores = MemoryStores()
        self.stores.business_time = NOON
        self.turns: Turns = {}
        self.rows.practices[PRACTICE] = {"name": "Harbour", "zone": "Europe/London"}
        self.document = {"key": "test", "plays": [a_play_document()]}

    @property
    def rows(self) -> Any:
        """The rows; another object after a rollback."""
        return self.stores.rows

    def reachable(
        self,
        client: str = ADA,
        channel: Channel = Channel.SMS,
        address: str = PHONE,
        purpose: Purpose = Purpose.CARE,
        practice: str = PRACTICE,
        zone: str | None = "Europe/London",
    ) -> None:
        """A contact point with consent, of a client who lives where the practice is; equal
        addresses are one point."""
        self.rows.practices.setdefault(practice, self.rows.practices[PRACTICE])
        key = ContactKey(practice, client, channel)
        put_contact(self.rows, key, Contact(address, "Ada", "en", f"index of {address}", zone))
        self.consent(client, channel, purpose, practice, granted=True)

    def consent(
        self,
        client: str = ADA,
        channel: Channel = Channel.SMS,
        purpose: Purpose = Purpose.CARE,
        practice: str = PRACTICE,
        *,
        granted: bool,
    ) -> None:
        """The client's last statement of consent."""
        number = len(self.rows.consents)
        about = (client, channel, purpose, granted, "form", "1")
        statement = ConsentStatement(f"s{number}", EARLIER + number * MINUTE, *about)
        put_consent(self.rows, Consent(practice, statement, NOON))

    def fall(
        self,
        client: str = ADA,
        version: int = 1,
        at: datetime = NOON,
        practice: str = PRACTICE,
        **play: Any,
    ) -> None:
        """A client falls to bronze, and the play, with changes, answers."""
        change = a_change(practice_id=practice, client_id=client, version=version, effective_at=at)
        document = {"key": "test", "plays": [a_play_document(**play)]} if play else self.document
        with self.stores.open() as store:
            hear_changes(
                store, Plays(read_known_playbook, document), [HeardChange(change, 3, None)]
            )

    def dispatch(
        self,
        limit: int = 10,
        room: Mapping[Channel, int] | None = None,
        rules: Rules = DEFAULT_RULES,
    ) -> Claims:
        """Decide on what is due, and claim."""
        options = dispatch_options(lease_seconds=60, rules=rules)
        with self.stores.open() as store:
            permits = lease_permits(store, limit, room)
        if permits is None:
            return NOTHING_DUE
        with self.stores.open() as store:
            look = Look(limit, permits, self.turns)
            claims = dispatch_due(store, OpenCipher(), options, look)
        self.turns = claims.turns
        return claims

    def claim(self) -> ClaimedMessage:
        """The one message that goes."""
        (claimed,) = self.dispatch().claimed
        return claimed

    def record(self, *results: tuple[ClaimedMessage, Outcome]) -> None:
        """Record outcomes."""
        with self.stores.open() as store:
            record_outcomes(store, DEFAULT_RETRIES, results)

    def recover(self) -> int:
        """Settle what is lost."""
        return recover_lost(self.stores, DEFAULT_RETRIES)

    def pass_real_time(self, seconds: float) -> None:
        """Let leases end and waits pass."""
        self.stores.real_time += timedelta(seconds=seconds)

    def message(self, client: str = ADA, version: int = 1) -> Message:
        """The message that answers this change."""
        (found,) = [
            row
            for row in self.rows.messages.values()
            if (row.planned.change.client_id, row.planned.change.version) == (client, version)
        ]
        assert isinstance(found, Message)
        return found

    def state(self, client: str = ADA, version: int = 1) -> tuple[str, str | None]:
        """Its state and reason."""
        message = self.message(client, version)
        return message.state, message.reason

    def events(self) -> Sequence[str]:
        """The states that were published, in order."""
        return [event.state for event in self.rows.events]

    def outcomes(self) -> Sequence[str | None]:
        """The attempts' outcomes, in order."""
        return [attempt.outcome for attempt in self.rows.attempts.values()]
