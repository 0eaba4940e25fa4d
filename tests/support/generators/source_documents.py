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
    NAME,
    currencies,
    zones,
)

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
VERBS = [
    *(
        ("booking", verb)
        for verb in ("created", "rescheduled", "cancelled", "completed", "no_show")
    ),
    *(("payment", verb) for verb in ("settled", "refunded", "failed", "charged_back")),
]
ZONES = st.sampled_from(sorted(zones()))
CURRENCIES = st.sampled_from(sorted(currencies()))


def instants(first: datetime, end: datetime) -> st.SearchStrategy[datetime]:
    """Instants from `first` on and before `end`, often the outermost."""
    last = end - MOMENT
    naive = st.datetimes(first.replace(tzinfo=None), last.replace(tzinfo=None))
    return st.sampled_from([first, last]) | naive.map(lambda drawn: drawn.replace(tzinfo=UTC))


@st.composite
def documents(draw: st.DrawFn, currency: str, now: datetime) -> dict[str, Any]:
    """A source event of one of few objects, with values from the whole range of each."""
    noun, verb = draw(st.sampled_from(VERBS))
    data: dict[str, Any] = {f"{noun}_id": draw(st.sampled_from(["o1", "o2"]) | IDS)}
    if noun == "booking":
        data |= draw(CODES)
    elif verb != "failed":
        amounts = st.sampled_from([0, 1, MAX_AMOUNT_MINOR]) | st.integers(0, MAX_AMOUNT_MINOR)
        data |= {"amount_minor": draw(amounts), "currency": currency}
    if verb in ("created", "rescheduled"):
        data["starts_at"] = draw(instants(EARLIEST, LATEST)).isoformat()
    latest = min(LATEST, now + AHEAD + MOMENT)
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
