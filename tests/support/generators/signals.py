"""Signals as other systems send them, of few clients and few ids, so that they meet."""

from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]

CLIENTS = ("wang-fang", "li-wei")
_MONEY = st.fixed_dictionaries(
    {"amount_minor": st.integers(0, 3).map(lambda n: n * 1000), "currency": st.just("CNY")}
)
_NAMED: dict[str, st.SearchStrategy[Document]] = {
    "referral_made": st.just({}),
    "referral_converted": st.just({}),
    "case_opened": st.fixed_dictionaries({"service_code": st.sampled_from("ab")}),
    "case_closed": st.fixed_dictionaries({"outcome": st.sampled_from(("completed", "stopped"))}),
    "arrears_opened": _MONEY,
    "arrears_cleared": st.just({}),
    "need_consent_given": st.just({}),
    "need_consent_withdrawn": st.just({}),
    "override_begun": st.fixed_dictionaries(
        {"tier": st.just("gold"), "reason": st.sampled_from("ab"), "until": st.just("2024-07-01")}
    ),
    "override_ended": st.just({}),
    "neutral_begun": st.just({}),
    "neutral_ended": st.just({}),
    "consulted": st.fixed_dictionaries({"channel": st.sampled_from("ab")}),
    "visited": st.just({}),
    "enquired": st.just({}),
    "engaged": st.fixed_dictionaries({"engagement": st.just("reply")}),
    "need_noted": st.one_of(st.just({"clarity": "clear"}), _MONEY),
    "withdrawn": st.just({}),
}
_MARK = st.fixed_dictionaries({"mark": st.integers(0, 10), "scale": st.just(10)})
_CARE: dict[str, st.SearchStrategy[Document]] = {
    "survey_answered": _MARK.map(lambda mark: mark | {"survey": "after-hour"}),
    "mood_reported": _MARK,
    "complaint_opened": st.fixed_dictionaries({"code": st.sampled_from("ab")}),
    "complaint_closed": st.just({}),
    "risk_noted": st.fixed_dictionaries({"level": st.sampled_from("ab")}),
    "risk_cleared": st.just({}),
    "withdrawn": st.just({}),
}
_CONSENT = st.fixed_dictionaries(
    {
        "channel": st.just("email"),
        "purpose": st.sampled_from(("care", "marketing")),
        "evidence": st.just("form-1"),
        "text_version": st.just("v1"),
    }
)
SIGNAL_KINDS = (*_NAMED,)
CARE_KINDS = (*_CARE, "consent_given", "consent_withdrawn")


@st.composite
def _data(draw: st.DrawFn, family: str, kind: str, number: int) -> Document:
    if kind.startswith("consent_"):
        return draw(_CONSENT)
    said = draw((_NAMED if family == "signal" else _CARE)[kind])
    return {"signal_id": f"{family}-{number}", **said}


@st.composite
def histories(draw: st.DrawFn) -> list[Document]:
    """Up to 12 events, ids ascending, times in any order and often the same. One signal is of one
    client."""
    documents = []
    for index in range(draw(st.integers(1, 12))):
        family = draw(st.sampled_from(("signal", "care")))
        kind = draw(st.sampled_from(SIGNAL_KINDS if family == "signal" else CARE_KINDS))
        number = draw(st.integers(0, 2))
        documents.append(
            {
                "specversion": "1.0",
                "id": f"e{index:02}",
                "source": "desk",
                "practiceid": "lakeside",
                "subject": CLIENTS[number % 2],
                "time": f"2024-05-{draw(st.integers(1, 4)):02}T22:00:00+00:00",
                "type": f"rapport.{family}.{kind}.v1",
                "data": draw(_data(family, kind, number)),
            }
        )
    return documents


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Document], list[list[Document]]]:
    """A history, and the batches in which it comes: in any order, with events that come again."""
    history = draw(histories())
    again = draw(st.lists(st.sampled_from(history), max_size=4))
    order = draw(st.permutations(history + again))
    size = draw(st.integers(1, len(order)))
    return history, [list(order[at : at + size]) for at in range(0, len(order), size)]
