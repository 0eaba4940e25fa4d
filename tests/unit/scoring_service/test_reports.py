"""Reports over standings: each table by hand."""

import csv
import io
import json
from datetime import date

import pytest

from scoring_service.domain.reports import (
    Concentration,
    Drop,
    Migration,
    Share,
    as_csv,
    as_json,
    concentration,
    drops,
    migrations,
    shares,
)

TIERS = ("iron", "bronze", "silver", "gold")
MONDAY, TUESDAY = date(2026, 6, 29), date(2026, 6, 30)

MOVES: list[tuple[list[tuple[str | None, str | None]], list[Migration]]] = [
    ([], []),
    ([("gold", "gold")], [Migration("gold", "gold", 1, 10_000)]),
    (
        [("gold", "silver"), ("gold", "gold"), ("gold", "gold"), ("iron", "gold")],
        [
            Migration("iron", "gold", 1, 10_000),
            Migration("gold", "silver", 1, 3_333),
            Migration("gold", "gold", 2, 6_667),
        ],
    ),
    (
        [(None, "iron"), ("unranked", "iron"), ("outside", "iron"), ("iron", None)],
        [
            Migration("iron", None, 1, 10_000),
            Migration("outside", "iron", 1, 10_000),
            Migration("unranked", "iron", 1, 10_000),
            Migration(None, "iron", 1, 10_000),
        ],
    ),
]


@pytest.mark.parametrize(("moves", "expected"), MOVES)
def test_a_migration_matrix_has_each_pair_that_somebody_went(
    moves: list[tuple[str | None, str | None]], expected: list[Migration]
) -> None:
    assert migrations(iter(moves), TIERS) == expected


def test_shares_drift_from_what_is_expected() -> None:
    standings = ["gold"] * 2 + ["silver"] * 6 + ["iron"] * 24 + ["outside"] * 9
    assert shares(standings, TIERS, {"gold": 5, "silver": 15, "bronze": 20, "iron": 60}) == [
        Share("iron", 24, 7_500, 6_000, 1_500),
        Share("bronze", 0, 0, 2_000, -2_000),
        Share("silver", 6, 1_875, 1_500, 375),
        Share("gold", 2, 625, 500, 125),
        Share("outside", 9, 0, None, None),
    ]


def test_where_nothing_is_expected_nothing_drifts() -> None:
    assert shares(["gold"], ("iron", "gold")) == [
        Share("iron", 0, 0, None, None),
        Share("gold", 1, 10_000, None, None),
    ]
    assert shares([], ("iron",), {"iron": 100}) == [Share("iron", 0, 0, 10_000, -10_000)]


def test_concentration_is_what_the_best_hold() -> None:
    values = [80, 5, 5, 4, 3, 2, 1, 0, 0, -70]
    assert concentration(values, (1, 20, 40, 100)) == [
        Concentration(1, 1, 80, 8_000),
        Concentration(20, 2, 85, 8_500),
        Concentration(40, 4, 94, 9_400),
        Concentration(100, 10, 100, 10_000),
    ]
    assert [row.top_percent for row in concentration(reversed(values))] == [1, 5, 10, 20, 40]


@pytest.mark.parametrize("values", [[], [0, 0], [-5]])
def test_of_nothing_nobody_holds_a_share(values: list[int]) -> None:
    assert {(row.sum_minor, row.share) for row in concentration(values)} == {(0, 0)}


def test_drops_to_come_are_counted_by_day() -> None:
    steps = [
        (TUESDAY, "gold", "silver"),
        (MONDAY, "silver", "iron"),
        (MONDAY, "gold", "silver"),
        (MONDAY, "gold", "silver"),
        (MONDAY, "iron", "gold"),
        (MONDAY, "gold", "outside"),
        (MONDAY, "unranked", "iron"),
    ]
    assert drops(iter(steps), TIERS) == [
        Drop(MONDAY, "silver", "iron", 1),
        Drop(MONDAY, "gold", "silver", 2),
        Drop(TUESDAY, "gold", "silver", 1),
    ]


def test_rows_are_written_as_json_and_as_csv() -> None:
    drop = Drop(MONDAY, "gold", "silver", 2)
    assert json.loads(json.dumps(as_json([drop]))) == [
        {"on": "2026-06-29", "before": "gold", "after": "silver", "clients": 2}
    ]
    gone = Migration("gold", None, 1, 10_000)
    assert as_json([gone])[0]["after"] is None
    written = io.StringIO()
    csv.writer(written).writerows(as_csv(Migration, [gone]))
    assert written.getvalue() == "before,after,clients,share\r\ngold,,1,10000\r\n"
    assert list(as_csv(Share, [])) == [("tier", "clients", "share", "expected", "drift")]
