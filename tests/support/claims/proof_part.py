"""What `make proof ONLY=proof` measures: a new claim's `measure` is entered here, and only here."""

from collections.abc import Sequence

from tests.support.claims import alerting, protections, speed, strangers, the_storm
from tests.support.claims.claim import Part

MEASURES: Sequence[Part] = (
    the_storm.measure,
    protections.measure,
    strangers.measure,
    alerting.measure,
    speed.measure,
)
