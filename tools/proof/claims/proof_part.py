"""What `make proof ONLY=proof` measures: a new claim's `measure` is entered here, and only here."""

from collections.abc import Sequence

from tools.claim import Part
from tools.proof.claims import alerting, protections, speed, strangers, the_storm

MEASURES: Sequence[Part] = (
    the_storm.measure,
    protections.measure,
    strangers.measure,
    alerting.measure,
    speed.measure,
)
