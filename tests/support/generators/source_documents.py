"""Source events over the whole range of each of their values."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ingestion_service.handlers import AHEAD
from rapport_contracts.ranges import (
    EARLIEST,
    EARLIEST_HAPPENED,
    LATEST,
    MAX_AMOUNT_MINOR,
    MAX_UNITS,
    NAME,
    currencies,
    zones,
)
from rapport_contracts.words import CANCELLERS

MOMENT = timedelta(microseconds=1)
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200).filter(
    re.compile(NAME).fullmatch
)
IDS = TEXTS | st.sampled_from(["\U0001f300" * 200, "a", "\\u0041", "a\u200b b"])
CODES = st.fixed_dictionaries(
    {},
    optional={
        name: TEXTS.filter(lambda text: len(text) <= 64)
        for name in ("counsellor_id", "service_code", "site", "product")
    },
)
BOOKING_VERBS = ("requested", "created", "rescheduled", "cancelled", "completed", "no_show")
PAYMENT_VERBS = (
    *("settled", "refunded", "refunded_total", "refund_failed"),
    *("failed", "charged_back", "chargeback_reversed"),
)
VERBS = [("booking", verb) for verb in BOOKING_VERBS]
VERBS += [("payment", verb) for verb in PAYMENT_VERBS]
WITHOUT_AMOUNT = {"failed", "refund_failed", "chargeback_reversed"}
ZONES = st.sampled_from(sorted(zones()))
CURRENCIES = st.sampled_from(sorted(currencies()))


def instants(first: datetime, end: datetime) -> st.SearchStrategy[datetime]:
    """Instants from `first` on and before `end`, often the outermost."""
    last = end - MOMENT
    naive = st.datetimes(first.replace(tzinfo=None), last.replace(tzinfo=None))
    return st.sampled_from([first, last]) | naive.map(lambda drawn: drawn.replace(tzinfo=UTC))


_STARTS = instants(EARLIEST, LATEST).map(datetime.isoformat)
_UNITS = st.integers(1, MAX_UNITS)
ALWAYS: dict[str, dict[str, Any]] = {
    "created": {"starts_at": _STARTS},
    "rescheduled": {"starts_at": _STARTS},
    "refund_failed": {"refund_id": IDS},
    "chargeback_reversed": {"chargeback_id": IDS},
}
AT_TIMES: dict[str, dict[str, Any]] = {
    "requested": {"starts_at": _STARTS},
    "created": {"replaces": IDS},
    "rescheduled": {"replaces": IDS},
    "cancelled": {"cancelled_by": st.sampled_from(CANCELLERS)},
    "completed": {"assumed": st.booleans()},
    "settled": {"package_id": IDS, "units": _UNITS, "payer": IDS},
    "refunded": {"refund_id": IDS, "units": _UNITS},
    "charged_back": {"chargeback_id": IDS},
}
"""What only events of some kinds say, and what they may say."""


@st.composite
def documents(draw: st.DrawFn, currency: str, now: datetime) -> dict[str, Any]:
    """A source event of one of few objects, with values from the whole range of each."""
    noun, verb = draw(st.sampled_from(VERBS))
    data: dict[str, Any] = {f"{noun}_id": draw(st.sampled_from(["o1", "o2"]) | IDS)}
    if noun == "booking":
        data |= draw(CODES)
    elif verb not in WITHOUT_AMOUNT:
        amounts = st.sampled_from([0, 1, MAX_AMOUNT_MINOR]) | st.integers(0, MAX_AMOUNT_MINOR)
        data |= {"amount_minor": draw(amounts), "currency": currency}
    said = st.fixed_dictionaries(ALWAYS.get(verb, {}), optional=AT_TIMES.get(verb, {}))
    data |= draw(said.filter(lambda drawn: drawn.get("replaces") != data.get("booking_id", "")))
    latest = min(LATEST, now + AHEAD + MOMENT)
    if "cancelled_by" in data and draw(st.booleans()):
        data["cancelled_at"] = draw(instants(EARLIEST_HAPPENED, latest)).isoformat()
    return {
        "specversion": "1.0",
        "id": draw(IDS),
        "source": draw(st.sampled_from(["desk", "\U0001f300" * 200])),
        "type": f"rapport.{noun}.{verb}.v1",
        "practiceid": "lakeside",
        "subject": draw(st.sampled_from(["ada"]) | IDS),
        "time": draw(instants(EARLIEST_HAPPENED, latest)).isoformat(),
        "backfill": draw(st.booleans()),
        "data": data,
    }
