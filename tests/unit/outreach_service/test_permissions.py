"""What a client's statements come to: at which contact point, for whom, until when."""

from datetime import UTC, datetime, timedelta

from outreach_service.domain.consents import ConsentStatement, RecordedStatement
from outreach_service.domain.contact_points import Point
from outreach_service.domain.permissions import (
    ClientWord,
    OptOut,
    Permission,
    client_word,
    last_statements,
)
from outreach_service.domain.terms import Channel, Purpose

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = NOON + 30 * DAY
MOVED = {Channel.SMS: [Point(NOON, "old", is_dated=True), Point(NOON + DAY, "new", is_dated=True)]}


def said(
    hours: int, *, granted: bool, purpose: Purpose = Purpose.CARE, recorded_at: datetime = LATER
) -> RecordedStatement:
    about = ("ada", Channel.SMS, purpose, granted, "form", "1")
    statement = ConsentStatement(f"s{hours}{granted}", NOON + hours * HOUR, *about)
    return RecordedStatement(statement, recorded_at, "k1")


def permission(index: str, hours: int, purpose: Purpose = Purpose.CARE) -> Permission:
    return Permission(Channel.SMS, purpose, index, NOON + hours * HOUR)


def test_a_consent_holds_for_the_point_of_then() -> None:
    assert client_word(MOVED, [said(1, granted=True)]) == ClientWord([permission("old", 1)], [])


def test_a_point_that_came_later_needs_its_own() -> None:
    found = client_word(MOVED, [said(1, granted=True), said(25, granted=True)])
    assert found.permissions == [permission("new", 25), permission("old", 1)]


def test_a_consent_from_before_any_point_holds_nowhere() -> None:
    assert client_word(MOVED, [said(-1, granted=True)]) == ClientWord([], [])
    assert client_word({}, [said(1, granted=True)]) == ClientWord([], [])


def test_a_withdrawal_holds_for_all_points_and_is_an_opt_out_at_that_of_then() -> None:
    given = [said(1, granted=True), said(25, granted=True), said(26, granted=False)]
    assert client_word(MOVED, given) == ClientWord(
        [], [OptOut("new", Purpose.CARE, NOON + 26 * HOUR)]
    )


def test_a_click_is_an_opt_out_where_its_message_went_too() -> None:
    click = said(26, granted=False)
    click = click._replace(statement=click.statement._replace(contact_index="elsewhere"))
    found = client_word(MOVED, [click])
    assert [each.blind_index for each in found.opt_outs] == ["elsewhere", "new"]


def test_a_withdrawal_holds_though_there_was_no_point() -> None:
    given = [said(-2, granted=False), said(-3, granted=True)]
    assert client_word(MOVED, given) == ClientWord([], [])


def test_a_later_consent_ends_a_withdrawal_where_it_is_given() -> None:
    given = [said(1, granted=True), said(26, granted=False), said(27, granted=True)]
    assert client_word(MOVED, given).permissions == [permission("new", 27)]


def test_of_two_at_once_the_withdrawal_holds() -> None:
    given = [said(1, granted=True), said(1, granted=False)]
    assert client_word(MOVED, given).permissions == []
    assert [each.statement.granted for each in last_statements(given)] == [False]


def test_another_purpose_is_another_matter() -> None:
    given = [said(2, granted=False), said(1, granted=True, purpose=Purpose.SERVICE)]
    assert client_word(MOVED, given) == ClientWord(
        [permission("old", 1, Purpose.SERVICE)], [OptOut("old", Purpose.CARE, NOON + 2 * HOUR)]
    )


def test_a_consent_that_is_dated_ahead_holds_for_the_point_when_it_was_recorded() -> None:
    given = [said(26, granted=True, recorded_at=NOON + HOUR)]
    assert client_word(MOVED, given).permissions == [permission("old", 1)]


def test_an_older_withdrawal_that_comes_last_does_not_weaken_a_later_one() -> None:
    given = [said(2, granted=True), said(3, granted=False), said(1, granted=False)]
    assert client_word(MOVED, given) == ClientWord(
        [], [OptOut("old", Purpose.CARE, NOON + 3 * HOUR)]
    )
