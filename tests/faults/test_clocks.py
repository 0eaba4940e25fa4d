"""A worker whose own clock is wrong changes nothing: the database's decides (R13)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from outreach_service.bootstrap import build_stores
from outreach_service.dispatcher import OutboundQueue
from outreach_service.domain.messages import SANDBOX_RETRIES
from outreach_service.domain.quiet import Hours
from outreach_service.domain.rules import DEFAULT_RULES, Rules
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.store import clock
from outreach_service.store.contact_cipher import KeyringCipher
from rapport_devkit.databases import ServiceDatabase
from tests.support.doubles.composer import dispatch_options
from tests.support.doubles.recording_provider import RecordingProvider
from tests.support.worlds.outreach import KEYRING, OutreachWorld, playbook

pytestmark = pytest.mark.integration
MINUTES = timedelta(minutes=1)
SAME_TEXT_GOES = replace(DEFAULT_RULES, same_text_days=0)
SKEWS = [pytest.param(600, id="10 min ahead"), pytest.param(-600, id="10 min behind")]


class SkewedOutreach:
    """An outreach on the real clock, in a process whose own clock is wrong by `skew` seconds."""

    def __init__(self, urls: ServiceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        providers = dict.fromkeys(Channel, RecordingProvider())
        self.world = OutreachWorld(urls, playbook(directions=["entered"]), providers)
        self.queue = self.queue_by(SAME_TEXT_GOES)
        self.world.reachable("ada", Channel.SMS, "+8613800138000")
        self._versions = iter(range(1, 100))
        self.world.now_is(datetime(2026, 1, 1, tzinfo=UTC))  # the practice is known from here on

    def queue_by(self, rules: Rules) -> OutboundQueue:
        """The queue with these rules, on the real clock."""
        return OutboundQueue(
            build_stores(self.world.database, simulated=False),
            KeyringCipher(KEYRING),
            SANDBOX_RETRIES,
            dispatch_options(lease_seconds=300, rules=rules),
        )

    def skewed(self, seconds: float) -> None:
        """Let this process's clock be wrong."""
        right = time.time
        self._monkeypatch.setattr(time, "time", lambda: right() + seconds)

    def due(self) -> None:
        """One more message of Ada's that is due now, by the database's clock."""
        now = self.now()
        self.world.moved("ada", next(self._versions), now - MINUTES)
        self.world.now_is(now)

    def now(self) -> datetime:
        """The database's time, at which the practice and its clients have their noon hour."""
        ((now,),) = self.world.rows("SELECT clock_timestamp()")
        zone = f"Etc/GMT{now.hour - 12:+d}"  # POSIX signs: west of Greenwich is plus
        self.world.execute("UPDATE practice SET zone = :zone", zone=zone)
        self.world.execute("UPDATE contact SET zone = :zone", zone=zone)
        return now

    def opens(self, opens_in: timedelta, closes_in: timedelta) -> None:
        """Let the hours begin and end so long from now."""
        local = self.now().replace(hour=12, tzinfo=None)
        hours = Hours((local + opens_in).time(), (local + closes_in).time())
        self.queue = self.queue_by(replace(SAME_TEXT_GOES, hours={Purpose.CARE: hours}))

    def obeys(self) -> bool:
        """Whether hours, caps and leases hold to the minute: open for 5 minutes more, two messages
        that count for 5 minutes more, closed for 5 minutes more."""
        self.opens(-60 * MINUTES, 5 * MINUTES)
        sent = []
        for _ in range(3):
            self.due()
            sent.append(len(self.queue.claim(10).claimed))
            self.world.execute("""
                UPDATE message SET sent_at = clock_timestamp() - interval '6 days 23:55'
                WHERE sent_at IS NOT NULL
            """)
        lost = self.queue.recover()
        self.world.execute("UPDATE message SET sent_at = 'epoch' WHERE sent_at IS NOT NULL")
        self.opens(5 * MINUTES, 60 * MINUTES)
        self.due()
        sent.append(len(self.queue.claim(10).claimed))
        return (sent, lost) == ([1, 1, 0, 0], 0)


@pytest.fixture
def outreach(
    service_database: Callable[[str], ServiceDatabase], monkeypatch: pytest.MonkeyPatch
) -> Iterator[SkewedOutreach]:
    made = SkewedOutreach(service_database("outreach"), monkeypatch)
    yield made
    made.world.close()


@pytest.mark.parametrize("skew", SKEWS)
def test_hours_caps_and_leases_hold_to_the_minute_on_a_host_with_a_wrong_clock(
    outreach: SkewedOutreach, skew: float
) -> None:
    outreach.skewed(skew)
    assert outreach.obeys()


@pytest.mark.parametrize("mutant", [False, True])
def test_the_databases_clock_decides(
    outreach: SkewedOutreach, monkeypatch: pytest.MonkeyPatch, *, mutant: bool
) -> None:
    """Mutant: the host's does, which is ten minutes ahead."""
    outreach.skewed(600)
    if mutant:

        def host_now(_tx: sa.Connection) -> datetime:
            return datetime.fromtimestamp(time.time(), UTC)

        monkeypatch.setattr(clock, "real_now", host_now)
    assert outreach.obeys() is not mutant
