"""What the command `import` refuses, and how it tells so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion_service.declaring import declare_source
from ingestion_service.domain.sources import SourceKey, as_itself
from ingestion_service.handlers import register_practice
from rapport_runtime import failpoints
from rapport_runtime.ops.operators import Refused
from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_world import LAKESIDE
from tests.unit.ingestion_service.importing.files import (
    HEADER,
    PAID,
    REFUNDED,
    TWICE,
    Killed,
)


def test_the_errors_file_is_not_the_file_itself(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="another file"):
        given(HEADER + PAID, "--errors", str(tmp_path / "my.csv"))
    assert (tmp_path / "my.csv").read_text() == HEADER + PAID


@pytest.mark.parametrize("takes", [False, True])
def test_a_source_that_is_not_declared_is_told_before_anything_is_taken(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path, *, takes: bool
) -> None:
    errors = tmp_path / "errors.csv"
    with stores.open_for_operator() as store:
        register_practice(LAKESIDE._replace(undeclared_sources="wait"), store)
    with pytest.raises(Refused, match="has not declared --source"):
        given(HEADER + PAID, "--errors", str(errors), takes=takes)
    assert not errors.exists()
    with stores.open(LAKESIDE.practice_id) as store:
        declare_source(as_itself(SourceKey(LAKESIDE.practice_id, "desk"), is_fixed=False), store)
    assert given(HEADER + PAID, "--errors", str(errors), takes=takes)


def test_refused_lines_are_in_the_errors_file_with_their_numbers_and_the_way_out(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    secret = "c9,2024-05-04,settled,p9,1o.00,CNY,\n"
    future = "c1,2031-01-01,settled,p7,1.00,CNY,\n"
    lines = given(HEADER + PAID + secret + TWICE + future, "--errors", str(errors))
    assert "refused: 1" in lines[-2]
    rows = errors.read_text("utf-8-sig").splitlines()
    assert rows[0] == "line,column,reason,way out"
    assert [row.split(",")[0] for row in rows[1:]] == ["3", "6"]
    assert "correct the date" in rows[2]
    assert "1o.00" not in errors.read_text("utf-8-sig")
    assert len(stores.tables.ledger) == 3


def test_killed_and_given_again_the_errors_file_has_each_line_once(
    given: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    future = "c1,2031-01-01,settled,p7,1.00,CNY,\n"
    text = HEADER + PAID + future + TWICE + "c9,2024-05-04,settled,p9,1o.00,CNY,\n"
    hits = iter(range(1, 100))

    def kill(name: str) -> None:
        if name == "importing" and next(hits) == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "hit", kill)
        with pytest.raises(Killed):
            given(text, "--errors", str(errors))
    given(text, "--errors", str(errors))
    rows = errors.read_text("utf-8-sig").splitlines()
    assert sorted(row.split(",")[0] for row in rows[1:]) == ["3", "6"]


def test_a_line_in_another_currency_than_the_practices_is_refused_alone_though_it_is_the_first(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    given(HEADER + "c3,2024-05-02,settled,p3,20.00,USD,\n" + PAID, "--errors", str(errors))
    _, refused = errors.read_text("utf-8-sig").splitlines()
    assert refused.startswith("2,currency,")
    assert "the currency of the practice" in refused
    assert len(stores.tables.ledger) == 1


def test_a_file_that_is_changed_meanwhile_is_not_taken_on(
    stores: MemoryStores,
    given: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def change(name: str) -> None:
        if name == "importing":
            (tmp_path / "my.csv").write_text("changed")

    monkeypatch.setattr(failpoints, "hit", change)
    with pytest.raises(Refused, match="the file was changed meanwhile"):
        given(HEADER + PAID + TWICE + REFUNDED)
    assert len(stores.tables.ledger) == 3


def test_when_all_of_the_first_chunk_is_refused_nothing_is_written(
    stores: MemoryStores, given: Callable[..., list[str]], tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    future = "".join(f"c1,2031-01-01,settled,q{n},1.00,CNY,\n" for n in range(2))
    with pytest.raises(Refused, match="nothing was written: occurred-in-the-future"):
        given(HEADER + future + PAID, "--errors", str(errors))
    lines = errors.read_text("utf-8-sig").splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == ["2", "3"]
    assert (stores.tables.ledger, stores.tables.imports) == ({}, {})
    assert stores.tables.queues.holds == []


@pytest.mark.parametrize(
    ("text", "words", "why"),
    [
        pytest.param(
            HEADER + "c1,1/3/2026,settled,p1,1.00,CNY,\n", [], "not understood", id="a question"
        ),
        pytest.param(HEADER + PAID, ["--answer", "no=x"], "no is no question", id="an answer"),
        pytest.param(HEADER + PAID, ["--practice", "quay"], "not registered", id="a practice"),
        pytest.param(HEADER + PAID, ["--source", ""], "--source: 1 to 200", id="a source"),
        pytest.param(HEADER + PAID, ["--first-day", "2026-01-01"], "both", id="half a range"),
    ],
)
def test_what_is_not_clear_is_not_taken(
    stores: MemoryStores,
    given: Callable[..., list[str]],
    text: str,
    words: list[str],
    why: str,
) -> None:
    with pytest.raises(Refused, match=why):
        given(text, *words)
    assert stores.tables.ledger == {}


def test_nobody_guesses_whether_a_file_reports_history(given: Callable[..., list[str]]) -> None:
    with pytest.raises(Refused, match="--backfill"):
        given(HEADER + PAID, "--yes", takes=False)
    assert given(HEADER + PAID, "--yes", "--no-backfill", takes=False)
