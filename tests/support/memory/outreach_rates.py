"""The permits of provider accounts, in the memory of one test."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from outreach_service.domain.terms import Channel
from outreach_service.ports.records import Strike
from tests.support.memory.outreach_rows import Account, Rows


class MemoryRates:
    """See `Rates`; what is spent does not come back by itself, and `now` is the real clock."""

    def __init__(self, rows: Rows, now: datetime) -> None:
        self._permits = rows.permits
        self._accounts = rows.accounts
        self._now = now

    def lease(self, wanted: int) -> dict[Channel, int]:
        granted = {}
        for channel, left in self._permits.items():
            account = self._accounts[channel]
            most = wanted
            if account.closed_code is not None:
                most = min(wanted, 1) if account.closed_until <= self._now else 0
                if most:
                    account.closed_until = self._now + timedelta(seconds=30)
            granted[channel] = min(most, left)
            self._permits[channel] -= granted[channel]
        return granted

    def give_back(self, unused: Mapping[Channel, int]) -> None:
        for channel, count in unused.items():
            self._permits[channel] += count
            if count and self._accounts[channel].closed_until <= self._now + timedelta(seconds=30):
                self._accounts[channel].closed_until = self._now

    def strike(self, strikes: Sequence[Strike]) -> None:
        for each in strikes:
            account = self._accounts[each.channel]
            account.strikes += 1
            if each.closes or account.strikes >= 5 or account.closed_code is not None:
                account.closed_code = each.code
                account.closed_until = self._now + timedelta(seconds=each.seconds)

    def reopen(self, channels: Collection[Channel]) -> None:
        for channel in channels:
            self._accounts[channel] = Account()
