"""ISO 8601 durations of fixed length: weeks, or days, hours, minutes and seconds."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

_DAYS_AND_TIME = r"([0-9]{1,4}D)?(T([0-9]{1,5}H)?([0-9]{1,6}M)?([0-9]{1,8}S)?)?"
_FORM = rf"P(?=[0-9T])([0-9]{{1,4}}W|{_DAYS_AND_TIME})(?<!T)"
_FIXED_LENGTH = re.compile(_FORM)
_SCHEMA: dict[str, Any] = {
    "type": "string",
    "maxLength": 64,
    "pattern": f"^{_FORM}$",
    "description": "ISO 8601, of fixed length: weeks, or days, hours, minutes and seconds.",
    "examples": ["P2D"],
}


def _of_fixed_length(value: object) -> object:
    """Refuses months and years, whose length is not fixed, and what else pydantic would read as a
    timedelta: numbers, signs, fractions."""
    if not isinstance(value, str) or not _FIXED_LENGTH.fullmatch(value):
        msg = "not an ISO 8601 duration in weeks, days or time"
        raise ValueError(msg)
    return value


def _positive(length: timedelta) -> timedelta:
    if not length:
        msg = "must be longer than nothing"
        raise ValueError(msg)
    return length


Duration = Annotated[timedelta, BeforeValidator(_of_fixed_length), WithJsonSchema(_SCHEMA)]
PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(_of_fixed_length),
    AfterValidator(_positive),
    WithJsonSchema(_SCHEMA | {"pattern": f"^(?=.*[1-9]){_FORM}$"}),
]
