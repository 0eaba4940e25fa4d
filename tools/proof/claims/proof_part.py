"""What `make proof ONLY=proof` measures: a new claim's `measure` is entered here, and only here."""

from collections.abc import Sequence

from tools.claim import Part
from tools.proof.claims import access_matrix, alerting, protections, speed, the_storm

MEASURES: Sequence[Part] = (
    the_storm.measure,
    protections.measure,
    access_matrix.measure,
    alerting.measure,
    speed.measure,
)
