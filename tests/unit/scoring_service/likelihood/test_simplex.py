"""The least value of a function of a few variables."""

from math import inf

import pytest

from scoring_service.domain.likelihood.simplex import NotSettled, Point, minimise


def valley(point: Point) -> float:
    """Rosenbrock's: a bent valley, with its least value 0 at (1, 1)."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def test_the_end_of_a_bent_valley_is_found() -> None:
    least = minimise(valley, (-1.2, 1.0))
    assert least.point == pytest.approx((1, 1), abs=1e-4)
    assert least.value == pytest.approx(0, abs=1e-9)


def test_a_wall_is_gone_along() -> None:
    least = minimise(lambda point: inf if point[0] < 0.5 else valley(point), (2.0, 2.0))
    assert least.point == pytest.approx((1, 1), abs=1e-4)
    edge = minimise(lambda point: inf if point[0] < 2 else point[0] + point[1] ** 2, (3.0, 3.0))
    assert edge.value == pytest.approx(2, abs=1e-4)


def test_four_variables_of_unlike_scales_settle() -> None:
    def bowl(point: Point) -> float:
        return sum(10.0**n * (each - n) ** 2 for n, each in enumerate(point)) - 9_582.43

    assert minimise(bowl, (5.0, 5.0, 5.0, 5.0)).point == pytest.approx((0, 1, 2, 3), abs=1e-3)


def test_what_does_not_settle_within_its_calls_is_refused() -> None:
    with pytest.raises(NotSettled):
        minimise(valley, (-1.2, 1.0), most=30)
