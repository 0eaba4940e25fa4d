"""Protections of outreach, each taken out once: the same scenario then goes wrong.

`mutant` True takes the protection out, and the test passes only if that does harm;
`tools.proof.claims.protections` lists all.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from outreach_service.domain.care import CareWord
from outreach_service.domain.consents import Subscription, WayOut
from outreach_service.domain.messages import Outcome, Rejected, RetryPolicy, Unknown
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.handlers import outcomes, preferences
from outreach_service.handlers.care import hear_care
from outreach_service.handlers.dispatch import Look, dispatch_due
from outreach_service.handlers.outcomes import MessageUpdate, apply_outcome
from outreach_service.handlers.preferences import withdraw_by_link
from outreach_service.ports.records import ClaimedMessage
from outreach_service.store import clients, locks, queue
from outreach_service.store.contact_cipher import KeyringCipher
from outreach_service.store.stores import PostgresStore
from rapport_devkit.databases import ServiceDatabase
from rapport_runtime.database import Database
from tests.support.doubles.composer import dispatch_options
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.servers.buses import eventually
from tests.support.worlds.outreach import KEYRING, PRACTICE, OutreachWorld, playbook
from tests.support.worlds.toy_ledger import at

pytestmark = pytest.mark.integration
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PHONE = "+8613800138000"


class Outreach:
    """An outreach whose one client, Ada, has a message that is due."""

    def __init__(self, urls: ServiceDatabase) -> None:
        self.urls = urls
        self.provider = RecordingProvider()
        providers = dict.fromkeys(Channel, self.provider)
        self.world = OutreachWorld(urls, playbook(directions=["entered"]), providers)
        self.world.reachable("ada", Channel.SMS, PHONE)
        self.world.moved("ada", 1, NOON)
        self.world.now_is(NOON)

    def as_owner(self, statement: str) -> None:
        """Change the schema."""
        owner = Database(self.urls.owner_url, application_name="owner")
        with owner.transaction() as tx:
            tx.exec_driver_sql(statement)
        owner.close()

    def claims_before(self, change: Callable[[], None], patience: float) -> bool:
        """Claim the message while a thread makes a change, which gets `patience` seconds before the
        claim commits; whether the change came after that."""
        order: list[str] = []

        def make() -> None:
            change()
            order.append("changed")

        thread = threading.Thread(target=make)

        def meanwhile() -> None:
            thread.start()
            thread.join(patience)
            order.append("claimed")  # before the commit, which lets the change go on

        with at("intent_claimed", meanwhile):
            assert len(self.world.queue.claim(10).claimed) == 1
        thread.join()
        return order == ["claimed", "changed"]

    def send_all(self) -> int:
        """Dispatch until nothing is due; how often a provider was called."""
        while self.world.dispatch():
            self.world.execute("UPDATE message SET not_before = 'epoch'")
        return len(self.provider.sent)


@pytest.fixture
def outreach(service_database: Callable[[str], ServiceDatabase]) -> Iterator[Outreach]:
    made = Outreach(service_database("outreach"))
    yield made
    made.world.close()


@pytest.mark.parametrize("mutant", [False, True])
def test_the_claim_hears_the_last_word(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """L1: consent is looked at in the claim. Mutant: what it was when the message was planned,
    since a statement does not change what the claim reads."""
    if mutant:
        monkeypatch.setattr(preferences, "derive_client_words", lambda *_: None)
    outreach.world.consent("ada", Channel.SMS, "care", granted=False)
    survives = outreach.send_all() == 0
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_the_claim_hears_who_opted_out_at_the_same_phone(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Mutant: the claim asks for the client's own statements alone."""
    outreach.world.reachable("ben", Channel.SMS, PHONE)
    if mutant:
        own = clients._CONSENTS.replace("WHERE opt_out", "WHERE false AND opt_out")
        assert own != clients._CONSENTS
        monkeypatch.setattr(clients, "_CONSENTS", own)
    outreach.world.consent("ben", Channel.SMS, "care", granted=False)
    survives = outreach.send_all() == 0
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_a_click_holds_at_the_phone_to_which_its_message_went(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Ben had Ada's phone. Mutant: the click counts at his phone of now alone."""
    outreach.world.reachable("ben", Channel.SMS, PHONE)
    [(index,)] = outreach.world.rows("SELECT DISTINCT blind_index FROM contact")
    for minutes in (1, 2):
        outreach.world.now_is(NOON + minutes * timedelta(minutes=1))
        outreach.world.reachable("ben", Channel.SMS, "+8613800138001")
    link = Subscription(PRACTICE, "ben", Channel.SMS, Purpose.CARE)
    withdraw_by_link(outreach.world.stores, WayOut(link, None if mutant else index))
    survives = outreach.send_all() == 0
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_a_withdrawal_does_not_pass_a_claim(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """R25: it commits before the claim reads, or after the claim has committed. Mutant: the claim
    takes no client's lock."""
    if mutant:
        monkeypatch.setattr(clients, "lock_clients", lambda _tx, _clients: None)

    def withdraw() -> None:
        with outreach.world.database.transaction() as tx:
            locks.lock_clients(tx, [(PRACTICE, "ada")])

    survives = outreach.claims_before(withdraw, patience=5 if mutant else 0.5)
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_a_risk_does_not_pass_a_claim(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """ADR 52: once it is noted, no claim that has not read it commits. Mutant: a signal takes no
    client's lock."""
    if mutant:
        monkeypatch.setattr(PostgresStore, "lock_clients", lambda *_: None)
    word = CareWord(PRACTICE, "ada", 1, "risk_noted", "r1", NOON, NOON, "desk", "e1", {})

    def note() -> None:
        with outreach.world.stores.open() as store:
            hear_care(store, [word], [], [])

    survives = outreach.claims_before(note, patience=5 if mutant else 0.5)
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_two_workers_never_claim_one_message(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Mutant: what is due is read without locking its rows, nor is an attempt's number a key."""
    if mutant:
        outreach.as_owner("ALTER TABLE attempt DROP CONSTRAINT attempt_pkey CASCADE")
        unlocked = queue._DUE.replace("FOR UPDATE OF message SKIP LOCKED", "")
        assert unlocked != queue._DUE
        monkeypatch.setattr(queue, "_DUE", unlocked)
    claimed: list[ClaimedMessage] = []
    permits = dict.fromkeys(Channel, 1)  # taken before, since their rows are locked now

    def claim() -> None:
        options = dispatch_options()
        with outreach.world.stores.open() as store:
            claims = dispatch_due(store, KeyringCipher(KEYRING), options, Look(10, permits))
        claimed.extend(claims.claimed)

    thread = threading.Thread(target=claim)

    def meanwhile() -> None:
        thread.start()
        thread.join(1)

    with at("intent_claimed", meanwhile):
        claimed += outreach.world.queue.claim(10).claimed
    thread.join()
    survives = len(claimed) == 1
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_what_was_claimed_since_a_look_began_is_not_claimed_again(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """A look finds the message, waits, and locks it when another worker has claimed it meanwhile.
    Mutant: whether it is due is not looked at again under the row's lock."""
    again = f"WHERE {queue._OF_LANE} AND {queue._IS_DUE}\n      AND NOT"
    assert queue._DUE.count(again) == 1
    slow = queue._DUE.replace(again, "WHERE NOT" if mutant else again).replace(
        "FROM turns JOIN", "FROM (SELECT *, pg_advisory_xact_lock(7) FROM turns) AS turns JOIN"
    )
    assert slow.count("pg_advisory_xact_lock") == 1
    claimed: list[ClaimedMessage] = []
    thread = threading.Thread(target=lambda: claimed.extend(outreach.world.queue.claim(10).claimed))
    with outreach.world.database.transaction() as tx:
        tx.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")
        with monkeypatch.context() as patch:
            patch.setattr(queue, "_DUE", slow)
            thread.start()
            waits = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            assert eventually(lambda: len(outreach.world.rows(waits)) == 1)
        claimed += outreach.world.queue.claim(10).claimed
    thread.join()
    survives = len(claimed) == 1
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_an_unknown_outcome_is_not_tried_again(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """R16: no SMS provider knows a repeat. Mutant: no answer counts as a refusal."""

    def refused(
        claimed: ClaimedMessage, outcome: Outcome, policy: RetryPolicy, *, is_late: bool
    ) -> MessageUpdate:
        if isinstance(outcome, Unknown):
            outcome = Rejected(outcome.why, final=False)
        return apply_outcome(claimed, outcome, policy, is_late=is_late)

    if mutant:
        monkeypatch.setattr(outcomes, "apply_outcome", refused)
    outreach.provider._outcomes.append(Unknown("sms:timeout"))
    survives = outreach.send_all() == 1
    assert survives is not mutant


@pytest.mark.parametrize("mutant", [False, True])
def test_the_api_sees_one_practice(outreach: Outreach, *, mutant: bool) -> None:
    """S3: by row-level security, whatever the statement says. Mutant: it is switched off."""
    if mutant:
        outreach.as_owner("ALTER TABLE message DISABLE ROW LEVEL SECURITY")
    api = Database(outreach.urls.api_url, application_name="api")
    seen = []
    for practice in (PRACTICE, "another"):
        with api.transaction(practice) as tx:
            seen.append(tx.exec_driver_sql("SELECT count(*) FROM message").scalar_one())
    api.close()
    survives = seen == [1, 0]
    assert survives is not mutant
