"""The comparison of two commits' benches: reading their tables, and when a figure is worse."""

import pytest

from tools.bench import figures
from tools.bench.compare import Compared, Figure, compare, parse, table
from tools.claim import Measured

RATE = Figure("api", "answers a second", 1400.0, "")
SHARE = Figure("api", "of a bare endpoint's rate", 0.38, ">= 0.35")
HOPS = Figure("latency", "p99, times one hop's", 5.0, "<= 4")


def printed() -> str:
    lines = [
        ("api", figures.at_least(SHARE.claim, [0.38, 0.37, 0.39], 0.35, note="CPU 1 to 2 ms")),
        ("api", figures.plain(RATE.claim, "1,400 (p50 5.1, p99 9.0 ms)")),
        ("api", figures.plain("compared with", "nothing")),
        ("latency", figures.at_most(HOPS.claim, [5.0], 4.0)),
    ]
    head = "2 cores, a machine\napi:\n  GET one tier   1,400/s   p50  5.10 ms"
    return f"{head}\n{figures.table(lines)}\n4 figures, 1 short of their goal, 12 s\n"


def test_the_figures_are_read_from_what_a_bench_prints() -> None:
    assert parse(printed()) == [SHARE, RATE, HOPS]


def test_output_without_a_table_has_no_figures() -> None:
    assert parse("Traceback:\n  one  two  3  four\n") == []


def test_a_table_is_read_to_its_end_only() -> None:
    line = figures.table([("api", Measured("one", "2", ">= 1", ok=True))])
    assert len(parse(f"{line}\n1 figures, 0 short\napi  two  3  >= 1  ok\n")) == 1


@pytest.mark.parametrize(
    ("figure", "new", "verdict"),
    [
        pytest.param(SHARE, 91.0, "ok", id="a little less of what should be much"),
        pytest.param(SHARE, 89.0, "WORSE", id="too much less"),
        pytest.param(SHARE, 200.0, "ok", id="more of what should be much"),
        pytest.param(HOPS, 109.0, "ok", id="a little more of what should be little"),
        pytest.param(HOPS, 111.0, "WORSE", id="too much more"),
        pytest.param(HOPS, 50.0, "ok", id="less of what should be little"),
    ],
)
def test_a_figure_may_be_a_tenth_worse(figure: Figure, new: float, verdict: str) -> None:
    line = Compared(figure, 100.0, new)
    assert line.ok == (verdict == "ok")
    assert table([line]).endswith(f"  {verdict}")


def test_a_figure_without_a_goal_is_only_shown() -> None:
    line = Compared(RATE, 100.0, 1.0)
    assert line.ok
    assert table([line]).endswith("  0.01")


def test_medians_of_the_turns_are_compared_place_by_place() -> None:
    old = [[SHARE._replace(claim="its old name", value=value)] for value in (0.30, 0.40, 0.90)]
    new = [[SHARE._replace(value=value)] for value in (0.10, 0.38, 0.39)]
    (line,) = compare(old, new)
    assert (line.figure.claim, line.old, line.new) == (SHARE.claim, 0.40, 0.38)


def test_tables_of_other_figures_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same figures"):
        compare([[SHARE]], [[SHARE, HOPS]])


def test_nothing_before_and_nothing_now_is_no_change() -> None:
    assert Compared(HOPS, 0.0, 0.0).ok
    assert not Compared(HOPS, 0.0, 1.0).ok


def test_a_line_says_old_new_ratio_and_verdict() -> None:
    lines = table([Compared(SHARE, 0.4, 0.3), Compared(RATE, 1000, 500)]).splitlines()
    assert lines[1].split()[-4:] == ["0.4", "0.3", "0.75", "WORSE"]
    assert lines[2].split()[-3:] == ["1000", "500", "0.50"]
