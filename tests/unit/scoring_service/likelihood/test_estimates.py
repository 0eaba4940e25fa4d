"""What is said of one client of a practice, and when nothing is."""

from datetime import date, timedelta
from random import Random

import pytest

from scoring_service.domain.digest import Digest
from scoring_service.domain.likelihood import estimates
from scoring_service.domain.likelihood.estimates import (
    LEAST_CLIENTS,
    LEAST_DAYS,
    LEAST_RETURNED,
    Estimate,
    Fitted,
    NotReady,
    desk_order,
    estimate,
    evenly,
    fit_practice,
)
from scoring_service.domain.likelihood.histories import History, Record, record_of
from scoring_service.domain.likelihood.simplex import NotSettled
from scoring_service.domain.likelihood.spend import SpendModel
from scoring_service.domain.likelihood.visits import VisitModel

TODAY = date(2026, 6, 30)
NOW = TODAY.toordinal()
NEVER = Record(None, 0)
MODELS = Fitted(VisitModel(0.2426, 4.4135, 0.7929, 2.4258), SpendModel(6.25, 3.74, 154_400))


def came(repeats: int, age: int, silence: int = 0, net_minor: int = 0) -> Record:
    return Record(History(NOW - age, NOW - silence, repeats, age), net_minor)


def practice(clients: int, returned: int, age: int, net_minor: int = 30_000) -> list[Record]:
    random = Random(7)
    again = [
        came(random.randint(1, 20), age, random.randrange(age), net_minor + n)
        for n in range(returned)
    ]
    once = [came(0, age - n % age, age - n % age, net_minor) for n in range(clients - returned)]
    return again + once


class TestRecords:
    def test_several_hours_of_a_day_are_one_visit(self) -> None:
        facts = Digest()
        for day, hours in ((NOW - 90, 2), (NOW - 30, 1), (NOW, 3)):
            facts.put("completed", day, hours)
        assert record_of(facts, NOW) == Record(History(NOW - 90, NOW, 2, 90), 0)

    def test_what_was_taken_back_and_what_comes_later_does_not_count(self) -> None:
        facts = Digest()
        facts.put("completed", NOW - 90, 1)
        facts.put("completed", NOW - 60, 1)
        facts.put("completed", NOW - 60, -1)
        facts.put("completed", NOW + 1, 1)
        facts.put("settled", NOW - 100, 50_000)
        facts.put("refunded", NOW - 100, 20_000)
        facts.put("settled", NOW + 1, 70_000)
        assert record_of(facts, NOW) == Record(History(NOW - 90, NOW - 90, 0, 90), 30_000)

    def test_who_only_paid_never_came(self) -> None:
        facts = Digest()
        facts.put("settled", NOW, 50_000)
        assert record_of(facts, NOW) == Record(None, 50_000)


class TestPractices:
    def test_from_the_least_on_there_are_models(self) -> None:
        fitted = fit_practice(practice(LEAST_CLIENTS, LEAST_RETURNED, LEAST_DAYS))
        assert isinstance(fitted, Fitted)
        assert fitted.spend is not None

    @pytest.mark.parametrize(
        ("clients", "returned", "age", "why"),
        [
            (LEAST_CLIENTS - 1, LEAST_RETURNED, LEAST_DAYS, "too_few_clients"),
            (LEAST_CLIENTS, LEAST_RETURNED - 1, LEAST_DAYS, "too_few_returned"),
            (LEAST_CLIENTS, LEAST_RETURNED, LEAST_DAYS - 1, "too_short"),
        ],
    )
    def test_below_the_least_there_are_none(
        self, clients: int, returned: int, age: int, why: str
    ) -> None:
        records = [*practice(clients, returned, age), *[NEVER] * 500]
        assert fit_practice(records) == NotReady(why)  # type: ignore[arg-type]

    def test_a_fit_that_does_not_settle_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def never(histories: object) -> None:
            raise NotSettled("asked too often")

        monkeypatch.setattr(estimates, "fit_visits", never)
        assert fit_practice(practice(120, 60, 200)) == NotReady("not_settled")

    def test_where_too_few_paid_there_is_no_value(self) -> None:
        fitted = fit_practice(practice(120, 60, 200, net_minor=-1_000))
        assert isinstance(fitted, Fitted)
        assert fitted.spend is None
        found = estimate(fitted, came(3, 100, 10), TODAY)
        assert found.value_minor is None
        assert found.visits is not None

    def test_of_too_many_clients_evenly_spread_ones_are_read(self) -> None:
        assert list(evenly(range(10), 10)) == list(range(10))
        assert list(evenly(range(1_000), 4)) == [0, 250, 500, 750]
        assert len(set(evenly(range(25_001), 20_000))) == 20_000


class TestClients:
    def test_who_never_came_has_no_figure(self) -> None:
        assert estimate(MODELS, NEVER, TODAY) == Estimate("never_came")

    def test_of_who_came_once_nobody_can_say_that_they_stopped(self) -> None:
        found = estimate(MODELS, came(0, 20, 20, 60_000), TODAY)
        assert (found.basis, found.alive) == ("came_once", None)
        assert None not in (found.returns, found.visits, found.value_minor)

    def test_who_came_again_has_every_figure(self) -> None:
        found = estimate(MODELS, came(11, 200, 5, 480_000), TODAY)
        assert found.basis == "came_again"
        assert found.alive is not None
        assert 900 < found.alive < 1_000
        assert found.returns is not None
        assert found.returns < found.alive

    def test_the_horizon_is_half_a_year_of_the_calendar(self) -> None:
        regular = came(11, 200, 5)
        longest = estimate(MODELS, regular, TODAY)  # to 30 December: 183 days
        shortest = estimate(MODELS, regular, date(2026, 8, 31))  # to 28 February: 181
        assert longest.visits is not None
        assert shortest.visits is not None
        assert shortest.visits < longest.visits

    def test_money_moves_the_value_alone(self) -> None:
        poor, rich = (estimate(MODELS, came(5, 200, 5, net), TODAY) for net in (60_000, 600_000))
        assert poor[:4] == rich[:4]
        assert poor.value_minor is not None
        assert rich.value_minor is not None
        assert poor.value_minor < rich.value_minor

    def test_the_list_begins_with_the_greatest_value_and_ends_with_the_unknown(self) -> None:
        regular = estimate(MODELS, came(11, 200, 5, 480_000), TODAY)
        lapsed = estimate(MODELS, came(11, 700, 500, 480_000), TODAY)
        unpaid = regular._replace(value_minor=None)
        unknown = estimate(MODELS, NEVER, TODAY)
        listed = [unknown, lapsed, unpaid, regular]
        assert sorted(listed, key=desk_order) == [regular, lapsed, unpaid, unknown]


def test_who_is_told_of_on_a_later_day_is_a_day_older() -> None:
    facts = Digest()
    facts.put("completed", NOW - 30, 1)
    later = TODAY + timedelta(days=1)
    assert record_of(facts, later.toordinal()).history == History(NOW - 30, NOW - 30, 0, 31)
