"""Where two readings are possible, the reader asks; unasked it takes nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rapport_contracts.source import PaymentSettled
from rapport_files.options import BadAnswer, Options
from rapport_files.survey import NotUnderstood
from tests.unit.rapport_files.saved_files import HEADER, events, happened, look, problems, read

DUE_AND_PAID = (
    "client_id,happened_at,event,id,应收金额,实收金额\nwren,2026-03-02,settled,p1,300,280\n"
)
STATES = "client_id,happened_at,status,id,amount\nwren,2026-03-02,refunded,p1,300\n"


@pytest.mark.parametrize(
    ("text", "key", "choices"),
    [
        (HEADER + "wren,1/3/2026,completed,b1,,,\n", "day_order", ["day", "month"]),
        (HEADER + "wren,2026-03-02,settled,p1,300/50,,\n", "two_numbers", ["first", "last", "sum"]),
        (DUE_AND_PAID, "column.amount", ["应收金额", "实收金额"]),
        (DUE_AND_PAID.replace(",实收金额", ",x"), "column.amount", ["应收金额"]),
        (DUE_AND_PAID.replace("实收金额", "净额"), "column.amount", ["应收金额", "净额"]),
        (DUE_AND_PAID.replace("实收金额", "amount"), "column.amount", ["应收金额", "amount"]),
        (STATES, "refunds", ["row", "state"]),
        (
            "client_id,date,starts_at,status,id\nwren,2026-03-01,2026-03-02,booked,b1\n",
            "told_as",
            ["events", "snapshot"],
        ),
        (
            "client_id,starts_at,status,id\nwren,2026-03-02,rescheduled,b1\n",
            "moved",
            ["here", "away"],
        ),
    ],
)
def test_what_has_two_readings_is_asked(
    tmp_path: Path, text: str, key: str, choices: list[str]
) -> None:
    understood = look(tmp_path, text)
    (question,) = understood.questions
    assert (question.key, list(question.choices)) == (key, choices)
    assert f"{key}={choices[0]}" in question.by()
    assert understood.refusals.count == 0
    for take in (understood.events, understood.bookings):
        with pytest.raises(NotUnderstood):
            next(take())


@pytest.mark.parametrize(("order", "month", "day"), [("day", 3, 1), ("month", 1, 3)])
def test_the_order_of_day_and_month_is_as_answered(
    tmp_path: Path, order: str, month: int, day: int
) -> None:
    at = happened(tmp_path, "1/3/2026 9:10", day_order=order)
    assert at == datetime(2026, month, day, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["25/3/2026", "3-25-2026", "25.03.2026 10:00"])
def test_a_date_that_can_be_read_in_one_way_is_read(tmp_path: Path, text: str) -> None:
    assert happened(tmp_path, text) == datetime(2026, 3, 25, 2, tzinfo=UTC)


def test_a_date_against_the_answer_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, HEADER + "wren,25/3/2026,completed,b1,,,\n", day_order="month")
    assert "does not fit the answer" in str(problem)


@pytest.mark.parametrize(("answer", "minor"), [("first", 30000), ("last", 5000), ("sum", 35000)])
@pytest.mark.parametrize("cell", ["300/50", "300 + ¥50.00", "300、50", "300；50"])
def test_of_two_numbers_counts_what_is_answered(
    tmp_path: Path, cell: str, answer: str, minor: int
) -> None:
    text = HEADER + f"wren,2026-03-02,settled,p1,{cell},,\n"
    assert look(tmp_path, text, two_numbers=answer).preview.money == {"payment.settled": minor}


def test_the_amount_is_of_the_column_that_is_answered(tmp_path: Path) -> None:
    for answer, minor in (("应收金额", 30000), ("实收金额", 28000), ("F", 28000)):
        (event,) = events(read(tmp_path, DUE_AND_PAID, "utf-8", **{"column.amount": answer}))
        assert isinstance(event, PaymentSettled)
        assert event.data.amount_minor == minor


def test_what_was_paid_is_the_amount_unasked(tmp_path: Path) -> None:
    assert len(events(read(tmp_path, DUE_AND_PAID.replace("应收金额", "x")))) == 1


def test_an_amount_is_not_asked_of_a_file_without_payments(tmp_path: Path) -> None:
    text = "client_id,happened_at,event,id,price\nwren,2026-03-02,completed,b1,300\n"
    assert len(events(read(tmp_path, text))) == 1


def test_a_column_with_a_word_of_ones_own_can_be_named(tmp_path: Path) -> None:
    text = "Patient,happened_at,event,id\nwren,2026-03-02,completed,b1\n"
    assert not look(tmp_path, text).can_begin
    read(tmp_path, text, "utf-8", **{"column.client_id": "Patient"})


def test_a_word_of_ones_own_for_an_event_can_be_named(tmp_path: Path) -> None:
    text = "client_id,happened_at,event,id\nwren,2026-03-02,Has Come,b1\n"
    assert not look(tmp_path, text).preview.kinds
    own = {"word.has come": "completed"}
    assert look(tmp_path, text, "utf-8", **own).preview.kinds == {"booking.completed": 1}


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        ("row", {"payment.refunded": 1}),
        ("state", {"payment.refunded": 1, "payment.settled": 1}),
    ],
)
def test_a_refund_is_a_row_or_a_state_as_answered(
    tmp_path: Path, answer: str, kinds: dict[str, int]
) -> None:
    understood = look(tmp_path, STATES, refunds=answer)
    assert understood.preview.kinds == kinds
    assert len({event.id for event in events(understood)}) == len(kinds)


def test_a_refund_told_as_an_event_is_not_asked_about(tmp_path: Path) -> None:
    assert look(tmp_path, STATES.replace("status", "event")).can_begin


@pytest.mark.parametrize(
    "answers",
    [{"day_order": "year"}, {"weather": "fine"}, {"word.arrived": "came"}, {"column.mood": "A"}],
)
def test_an_answer_to_no_question_is_refused(answers: dict[str, str]) -> None:
    with pytest.raises(BadAnswer):
        Options(answers=answers)


def test_an_answer_that_names_no_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadAnswer):
        look(tmp_path, DUE_AND_PAID, "utf-8", **{"column.amount": "Z"})


def test_many_lines_that_wait_are_one_question(tmp_path: Path) -> None:
    rows = "".join(f"wren,1/3/2026,completed,b{number},,,\n" for number in range(100))
    (question,) = look(tmp_path, HEADER + rows).questions
    assert question.by().startswith("lines 2, 3, 4, 5, 6, 7, 8, 9 and 92 more: ")
