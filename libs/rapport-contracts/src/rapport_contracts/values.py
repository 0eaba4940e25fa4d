"""The values of what comes from outside: each refuses what no reader could hold, and says why."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    StringConstraints,
)

from rapport_contracts.names import PRACTICE_ID
from rapport_contracts.ranges import (
    EARLIEST,
    EARLIEST_HAPPENED,
    FIRST_DAY,
    LAST_DAY,
    LATEST,
    MAX_AMOUNT_MINOR,
    MAX_UNITS,
    NAME,
    currencies,
    zones,
)

_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:", re.ASCII)
_NAME = re.compile(NAME)
LATEST_ON = LATEST.date() - timedelta(days=1)
"""The last day of UTC on which an instant may lie."""


def _named(text: str) -> str:
    """Refuse what nobody sees, and blanks around what is seen."""
    is_plain = text.isprintable() and text == text.strip(" ")  # nearly all are, and it is fast
    if not is_plain and not _NAME.fullmatch(text):
        msg = "must begin and end with a visible character, and hold no control character"
        raise ValueError(msg)
    return text


def _rfc3339(value: object) -> object:
    """Refuse what pydantic would take for Unix time: numbers, and texts that hold one."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    msg = "must be a date and time of RFC 3339, as text"
    raise ValueError(msg)


def _from(first: datetime) -> Callable[[datetime], datetime]:
    """Refuse instants before `first`, and those whose day no reader's calendar holds."""

    def check(instant: datetime) -> datetime:
        if not first <= instant < LATEST:
            msg = f"must be from {first.date()} to {LATEST_ON}"
            raise ValueError(msg)
        return instant

    return check


def _of_iso_4217(code: str) -> str:
    """Refuse what is no code of ISO 4217 with a minor unit."""
    if code not in currencies():
        msg = "must be a currency code of ISO 4217, such as CNY"
        raise ValueError(msg)
    return code


def _of_iana(name: str) -> str:
    """Refuse what is no name of the IANA time zone database."""
    if name not in zones():
        msg = "must be a time zone of the IANA database, such as Asia/Shanghai"
        raise ValueError(msg)
    return name


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strict=True),
    AfterValidator(_named),
    Field(json_schema_extra={"pattern": NAME}),
]
PracticeId = Annotated[str, StringConstraints(pattern=rf"^{PRACTICE_ID}$", strict=True)]
Amount = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_MINOR)]
Currency = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{3}$", strict=True), AfterValidator(_of_iso_4217)
]
Zone = Annotated[
    str, AfterValidator(_of_iana), Field(json_schema_extra={"format": "iana-time-zone"})
]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_from(EARLIEST))]
Happened = Annotated[
    AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_from(EARLIEST_HAPPENED))
]

Code = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, strict=True),
    AfterValidator(_named),
    Field(json_schema_extra={"pattern": NAME}),
]
Units = Annotated[int, Field(strict=True, ge=1, le=MAX_UNITS)]
WordlessCode = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$", strict=True)
]
"""A code that cannot hold a sentence: no blanks, and no writing but ASCII."""
Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
