"""Signals in files: their words and columns, and care, which no file of events tells."""

from pathlib import Path
from typing import Any

import pytest

from rapport_contracts.catalogue import SOURCE
from rapport_contracts.topics import SOURCE_SIGNALS
from rapport_files.details import UNNAMED
from rapport_files.lines import KINDS
from rapport_files.words import CARE
from tests.unit.rapport_files.saved_files import events, look, problems, read

HEADER = (
    "client_id,happened_at,event,id,amount,counsellor_id,service_code,channel,engagement,code,"
    "clarity,urgency,outcome,tier,reason,until\n"
)
MORE = {
    "engaged": {"engagement": "article"},
    "arrears_opened": {"amount": "300"},
    "case_closed": {"outcome": "stopped"},
    "override_begun": {"tier": "gold", "reason": "loyal"},
}
SIGNALS = sorted(event for event, kind in KINDS.items() if kind.startswith("signal."))


def line(event: str, **cells: str) -> str:
    names = HEADER.strip().split(",")
    known = {"client_id": "wren", "happened_at": "2026-03-02", "event": event, "id": "s1"}
    return ",".join({**dict.fromkeys(names, ""), **known, **cells}.values()) + "\n"


def test_a_file_may_tell_every_signal_but_those_of_care() -> None:
    kinds = {f"rapport.{KINDS[event]}.v1" for event in SIGNALS}
    assert kinds == set(SOURCE[SOURCE_SIGNALS.name])


@pytest.mark.parametrize("event", SIGNALS)
def test_every_kind_of_signal_is_read(tmp_path: Path, event: str) -> None:
    (found,) = events(read(tmp_path, HEADER + line(event, **MORE.get(event, {}))))
    data: Any = found.data
    assert found.type == f"rapport.{KINDS[event]}.v1"
    assert data.signal_id == "s1"


@pytest.mark.parametrize("event", SIGNALS)
def test_a_signal_that_others_tell_of_needs_its_id(tmp_path: Path, event: str) -> None:
    text = HEADER + line(event, id="", **MORE.get(event, {}))
    if KINDS[event] in UNNAMED:
        (found,) = events(read(tmp_path, text))
        assert found.id.startswith("row-")
    else:
        assert [each.column for each in problems(tmp_path, text)] == ["id"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            line("询问", counsellor_id="c-7", service_code="first", channel="web"),
            {"counsellor_id": "c-7", "service_code": "first", "channel": "web"},
        ),
        (line("互动", engagement="文章", code="a-9"), {"engagement": "article", "code": "a-9"}),
        (
            line("需求记录", clarity="模糊", urgency="高", amount="¥1200", code="n-1"),
            {
                "clarity": "vague",
                "urgency": "high",
                "code": "n-1",
                "amount_minor": 120000,
                "currency": "CNY",
            },
        ),
        (line("欠费", amount="300"), {"amount_minor": 30000, "currency": "CNY"}),
        (line("结案", outcome="转介"), {"outcome": "transferred"}),
        (
            line("人工定级", tier="gold", reason="loyal", until="2026/9/30"),
            {"tier": "gold", "reason": "loyal", "until": "2026-09-30"},
        ),
    ],
)
def test_what_a_signal_says_is_read(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    (found,) = events(read(tmp_path, HEADER + text))
    told = found.data.model_dump(mode="json", exclude_unset=True)
    assert told == {"signal_id": "s1", **expected}


@pytest.mark.parametrize(
    ("text", "column"),
    [
        (line("engaged"), "engagement"),
        (line("engaged", engagement="a secret"), "engagement"),
        (line("need_noted", clarity="a secret"), "clarity"),
        (line("need_noted", code="a secret word"), "code"),
        (line("arrears_opened"), "amount"),
        (line("case_closed", outcome="a secret"), "outcome"),
        (line("override_begun", tier="gold"), "reason"),
        (line("override_begun", tier="gold", reason="x", until="soon"), "until"),
    ],
)
def test_a_signal_that_is_not_whole_is_refused(tmp_path: Path, text: str, column: str) -> None:
    (found,) = problems(tmp_path, HEADER + text)
    assert found.column == column
    assert "secret" not in str(found)


@pytest.mark.parametrize("word", [word for words in CARE.items() for word in (words[0], *words[1])])
def test_what_is_care_is_refused_with_the_way_out(tmp_path: Path, word: str) -> None:
    (found,) = problems(tmp_path, HEADER + line(word) + line("visited"))
    assert (found.line, found.column) == (2, "event")
    assert "import-contacts" in str(found.way_out)
    assert len(list(look(tmp_path, HEADER + line(word) + line("visited")).events())) == 1


def test_a_column_of_ids_may_be_that_of_signals(tmp_path: Path) -> None:
    text = "客户编号,发生时间,事件,信号编号\nwren,2026-03-02,开案,k1\n"
    (found,) = events(read(tmp_path, text))
    data: Any = found.data
    assert data.signal_id == "k1"
