"""What few events say: columns that a row may have, or must, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from rapport_files.lines import KINDS
from tests.unit.rapport_files.saved_files import Refused, events, read

COLUMNS = (
    *("client_id", "happened_at", "event", "id", "amount", "starts_at", "package_id", "units"),
    *("payer", "product", "replaces", "cancelled_by", "cancelled_at", "refund_id"),
    "chargeback_id",
)
CHINESE = (
    *("客户编号", "时间", "状态", "单号", "金额", "预约时间", "套餐编号", "课时数"),
    *("付款人编号", "产品编码", "原预约编号", "取消方", "取消时间", "退款单号", "拒付编号"),
)
FULL = {
    "client_id": "c1",
    "happened_at": "2026-03-01 10:00",
    "id": "x1",
    "amount": "30.00",
    "starts_at": "2026-03-02 10:00",
    "package_id": "k1",
    "units": "10",
    "payer": "m1",
    "product": "trial",
    "replaces": "x0",
    "cancelled_by": "client",
    "cancelled_at": "2026-03-01 09:00",
    "refund_id": "r1",
    "chargeback_id": "d1",
}
SAYS: dict[str, set[str]] = {
    "requested": {"booking_id", "starts_at", "package_id", "product"},
    "booked": {"booking_id", "starts_at", "package_id", "product", "replaces"},
    "rescheduled": {"booking_id", "starts_at", "package_id", "product", "replaces"},
    "cancelled": {"booking_id", "package_id", "product", "cancelled_by", "cancelled_at"},
    "completed": {"booking_id", "package_id", "product"},
    "assumed": {"booking_id", "package_id", "product", "assumed"},
    "no_show": {"booking_id", "package_id", "product"},
    "settled": {
        *("payment_id", "amount_minor", "currency"),
        *("product", "package_id", "units", "payer"),
    },
    "refunded": {"payment_id", "amount_minor", "currency", "refund_id", "units"},
    "refunded_total": {"payment_id", "amount_minor", "currency"},
    "refund_failed": {"payment_id", "refund_id"},
    "failed": {"payment_id"},
    "charged_back": {"payment_id", "amount_minor", "currency", "chargeback_id"},
    "chargeback_reversed": {"payment_id", "chargeback_id"},
}


def said_of(folder: Path, header: tuple[str, ...], **cells: str) -> Any:
    """The event that a row of these cells tells."""
    row = ",".join(cells.get(name, "") for name in COLUMNS)
    understood = read(folder, f"{','.join(header)}\n{row}\n", told_as="events", refunds="row")
    (event,) = events(understood)
    return event


@pytest.mark.parametrize("word", SAYS)
@pytest.mark.parametrize("header", [COLUMNS, CHINESE])
def test_each_event_says_what_it_may(tmp_path: Path, header: tuple[str, ...], word: str) -> None:
    signals = {each for each, kind in KINDS.items() if kind.startswith("signal.")}
    assert KINDS.keys() - signals == SAYS.keys()
    event = said_of(tmp_path, header, event=word, **FULL)
    assert event.data.model_dump(exclude_defaults=True).keys() == SAYS[word]


@pytest.mark.parametrize("word", SAYS)
def test_what_it_need_not_say_may_be_empty(tmp_path: Path, word: str) -> None:
    needed = {"client_id", "happened_at", "id", "amount", "starts_at"}
    needed |= {"refund_id"} if word == "refund_failed" else set()
    needed |= {"chargeback_id"} if word == "chargeback_reversed" else set()
    cells = {name: text for name, text in FULL.items() if name in needed}
    assert said_of(tmp_path, COLUMNS, event=word, **cells).subject == "c1"


def test_an_hour_that_was_assumed_is_a_completion(tmp_path: Path) -> None:
    event = said_of(tmp_path, COLUMNS, event="默认完成", **FULL)
    assert event.type == "rapport.booking.completed.v1"
    assert event.data.assumed


@pytest.mark.parametrize("who", ["client", "来访者", "Customer"])
def test_who_cancelled_may_be_said_in_words(tmp_path: Path, who: str) -> None:
    cells = {**FULL, "cancelled_by": who}
    assert said_of(tmp_path, COLUMNS, event="cancelled", **cells).data.cancelled_by == "client"


@pytest.mark.parametrize(
    ("word", "column", "text"),
    [
        ("cancelled", "cancelled_by", "secret name"),
        ("cancelled", "cancelled_at", "yesterday"),
        ("settled", "units", "ten"),
        ("settled", "units", "1.5"),
        ("settled", "units", "0"),
        ("refund_failed", "refund_id", ""),
        ("chargeback_reversed", "chargeback_id", ""),
        ("booked", "replaces", "x1"),
        ("booked", "package_id", "1.38E+10"),
    ],
)
def test_what_is_wrong_is_refused_by_its_column(
    tmp_path: Path, word: str, column: str, text: str
) -> None:
    with pytest.raises(Refused) as refused:
        said_of(tmp_path, COLUMNS, event=word, **{**FULL, column: text})
    (problem,) = refused.value.problems
    assert problem.column == column
    assert not text or text not in str(problem).split(": ", 1)[1]
