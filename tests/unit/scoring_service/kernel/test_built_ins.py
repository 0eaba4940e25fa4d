"""Every number of every built-in scheme and example, at both sides of its boundary, by hand.

Today is 30 June 2026: a fact of the first day of a pair counts within the period, the second not.
"""

from datetime import date
from itertools import product

import pytest

from scoring_service.domain.digest import Digest
from scoring_service.domain.kernel.timeline import stand
from tests.support.generators.scheme_histories import DOCUMENTS, SCHEMES, told
from tests.support.oracles.schemes import Deed, Known, Word, decide

TODAY = date(2026, 6, 30)
MONTH, LONGER_THAN_A_MONTH = date(2026, 5, 30), date(2026, 5, 29)
TWO_MONTHS, LONGER_THAN_TWO = date(2026, 4, 30), date(2026, 4, 29)
QUARTER, LONGER_THAN_A_QUARTER = date(2026, 3, 30), date(2026, 3, 29)
HALF, LONGER_THAN_HALF = date(2025, 12, 30), date(2025, 12, 29)
NINE_MONTHS = date(2025, 9, 30)
YEAR, LONGER_THAN_A_YEAR = date(2025, 6, 30), date(2025, 6, 29)
LONG_AGO = date(2024, 1, 10)


def paid(yuan: float, on: date = YEAR) -> Deed:
    return Deed("settled", on, round(100 * yuan))


def some(kind: str, number: int = 1, on: date = TODAY, key: str = "") -> Deed:
    return Deed(kind, on, number, key)


def hours(number: int = 1, on: date = TODAY, key: str = "") -> Deed:
    return Deed("completed", on, number, key)


def said(name: str, value: str | None, on: date = TODAY, until: date | None = None) -> Word:
    return Word(name, on, 1, value, until)


def clarity(value: str, on: date = TODAY) -> list[Word]:
    return [said("need", "given", LONG_AGO), said("need_clarity", value, on)]


Row = tuple[Known, str]
Scored = tuple[Known, str, int]

VALUE: list[Row] = [
    ([], "low"),
    ([paid(999.99)], "low"),
    ([paid(1000)], "mid"),
    ([paid(5000)], "mid"),
    ([paid(5000.01)], "high"),
    ([paid(9000, LONGER_THAN_A_YEAR)], "low"),
    ([paid(6000), Deed("refunded", YEAR, 100_000)], "mid"),
]
NEED: list[Row] = [
    ([], "unknown"),
    ([said("need_type", "long_term")], "unknown"),
    *(
        ([said("need_type_consent", "given"), said("need_type", word)], word)
        for word in ("long_term", "short_term", "returning")
    ),
    ([said("need_type_consent", "given"), said("need_type", "another")], "unknown"),
    ([said("need_type_consent", "given", MONTH, MONTH), said("need_type", "returning")], "unknown"),
    ([said("need_type_consent", "withdrawn"), said("need_type", "returning", MONTH)], "unknown"),
]
CONCERN: list[Row] = [
    ([said("concern_primary", "career")], "unknown"),
    *(
        ([said("concern_primary_consent", "given"), said("concern_primary", word)], word)
        for word in ("career", "intimacy", "family_of_origin", "wellness")
    ),
]
REFERRED = some("referral_converted", 1, LONG_AGO)
POTENTIAL: list[Row] = [
    ([], "unknown"),
    ([REFERRED], "unknown"),
    ([hours(3, LONG_AGO), REFERRED], "high"),
    ([hours(2), REFERRED], "ordinary"),
    ([some("purchased", 3), REFERRED], "high"),
    ([some("purchased", 2), REFERRED], "ordinary"),
    ([hours(3)], "ordinary"),
    ([hours(3), paid(100, LONGER_THAN_HALF), paid(120, HALF)], "high"),
    ([hours(3), paid(100, LONGER_THAN_HALF), paid(119.99, HALF)], "ordinary"),
    ([some("purchased", 3), paid(100, YEAR), paid(120, HALF)], "high"),
    ([some("purchased", 2), paid(100, YEAR), paid(120, HALF)], "ordinary"),
    ([hours(3), paid(100, LONGER_THAN_A_YEAR), paid(120, HALF)], "ordinary"),
    ([hours(1, LONGER_THAN_A_YEAR), some("purchased", 1, LONGER_THAN_A_YEAR)], "none"),
    ([hours(1, LONGER_THAN_A_YEAR)], "none"),
    ([some("purchased", 1, LONGER_THAN_A_YEAR)], "none"),
    ([hours(1, YEAR), some("purchased", 1, LONGER_THAN_A_YEAR)], "ordinary"),
    ([hours(1, LONGER_THAN_A_YEAR), some("purchased", 1, YEAR)], "ordinary"),
    ([hours(2, LONGER_THAN_A_YEAR)], "ordinary"),
    ([some("purchased", 2, LONGER_THAN_A_YEAR)], "ordinary"),
]
RFM: list[Scored] = [
    ([], "prospect", 0),
    ([paid(0.01, LONGER_THAN_A_YEAR)], "iron", 0),
    ([hours(1, LONGER_THAN_A_YEAR)], "iron", 0),
    ([paid(12_000, TODAY)], "silver", 6500),
    ([paid(0.01, YEAR)], "bronze", 25 * 30 + 25 * 35),
    ([hours(1, YEAR)], "bronze", 25 * 30 + 25 * 35),
    *(
        ([hours(1, on)], "bronze", recency * 30 + 25 * 35)
        for on, recency in (
            (MONTH, 100),
            (LONGER_THAN_A_MONTH, 75),
            (QUARTER, 75),
            (LONGER_THAN_A_QUARTER, 50),
            (HALF, 50),
            (LONGER_THAN_HALF, 25),
        )
    ),
    ([hours(2, MONTH)], "bronze", 3000 + 25 * 35),
    ([hours(3, LONGER_THAN_A_MONTH)], "bronze", 75 * 30 + 50 * 35),
    ([hours(5, MONTH)], "bronze", 3000 + 50 * 35),
    ([hours(6, MONTH)], "silver", 3000 + 75 * 35),
    ([hours(11, MONTH)], "silver", 3000 + 75 * 35),
    ([hours(12, MONTH)], "silver", 6500),
    ([hours(12, MONTH), paid(999.99)], "silver", 6500 + 25 * 35),
    ([hours(12, MONTH), paid(1000)], "gold", 6500 + 50 * 35),
    ([hours(12, MONTH), paid(2999.99)], "gold", 6500 + 50 * 35),
    ([hours(12, MONTH), paid(3000)], "gold", 6500 + 75 * 35),
    ([hours(12, MONTH), paid(5000)], "gold", 6500 + 75 * 35),
    ([hours(12, MONTH), paid(5000.01)], "gold", 10_000),
    ([hours(12, LONGER_THAN_A_YEAR), paid(5000.01, LONGER_THAN_A_YEAR)], "iron", 0),
]
THRICE = some("visited", 3, QUARTER)
DEAR = some("sold", 1, YEAR, "80000")
RFM_NEED: list[Row] = [
    ([], "wake"),
    ([THRICE, DEAR], "strategic"),
    ([THRICE, DEAR, *clarity("clear", YEAR)], "strategic"),
    ([THRICE, DEAR, *clarity("growing")], "value"),
    ([THRICE, DEAR, *clarity("clear", LONGER_THAN_A_YEAR)], "strategic"),
    ([THRICE, some("sold", 1, YEAR, "79999"), *clarity("clear")], "value"),
    ([THRICE, some("quoted", 1, YEAR, "80000"), *clarity("clear")], "strategic"),
    ([THRICE, some("sold", 1, LONGER_THAN_A_YEAR, "80000"), *clarity("clear")], "value"),
    ([some("visited", 3, LONGER_THAN_A_QUARTER), DEAR, *clarity("clear")], "value"),
    ([some("visited", 2, QUARTER), DEAR, *clarity("clear")], "value"),
    ([some("consulted", 2, HALF), some("sold", 1, YEAR, "50000"), *clarity("growing")], "value"),
    ([some("consulted", 2, HALF), some("sold", 1, YEAR, "49999"), *clarity("vague")], "cultivate"),
    ([some("consulted", 2, HALF), some("sold", 1, YEAR, "50000"), *clarity("vague")], "value"),
    ([some("consulted", 2, HALF), *clarity("growing", YEAR)], "value"),
    ([some("consulted", 2, HALF), *clarity("growing", LONGER_THAN_A_YEAR)], "cultivate"),
    ([some("purchased", 2, LONGER_THAN_HALF), *clarity("growing")], "cultivate"),
    ([some("purchased", 1, HALF), *clarity("vague")], "cultivate"),
    ([some("purchased", 1, YEAR), some("sold", 1, YEAR, "30000")], "cultivate"),
    ([some("purchased", 1, YEAR), some("sold", 1, YEAR, "29999")], "wake"),
    ([some("purchased", 1, YEAR), *clarity("shelved", LONG_AGO)], "wake"),
    ([some("purchased", 1, YEAR), *clarity("vague", LONG_AGO)], "cultivate"),
    ([some("purchased", 9, LONGER_THAN_A_YEAR), DEAR, *clarity("clear")], "wake"),
]
SCORECARD: list[Scored] = [
    ([], "wake", 1500),
    *(
        ([paid(yuan)], tier, 40 * points + 1500)
        for yuan, tier, points in (
            (0.01, "wake", 30),
            (999.99, "wake", 30),
            (1000, "wake", 60),
            (2999.99, "wake", 60),
            (3000, "cultivate", 80),
            (4999.99, "cultivate", 80),
            (5000, "cultivate", 100),
        )
    ),
    *(
        (clarity(word, on), "wake", 30 * points)
        for word, on, points in (
            ("clear", YEAR, 100),
            ("clear", LONGER_THAN_A_YEAR, 50),
            ("growing", YEAR, 70),
            ("growing", LONGER_THAN_A_YEAR, 50),
            ("vague", LONG_AGO, 40),
            ("shelved", LONG_AGO, 10),
        )
    ),
    *(
        ([some("consulted", number, YEAR)], "wake", 1500 + 20 * points)
        for number, points in ((1, 30), (2, 30), (3, 60), (5, 60), (6, 80), (11, 80), (12, 100))
    ),
    *(
        ([some("purchased", number, YEAR)], "wake", 1500 + 20 * inter + 4 * points)
        for number, inter, points in ((1, 30, 25), (2, 30, 50), (3, 60, 50), (4, 60, 100))
    ),
    *(
        ([some("referral_converted", number, LONG_AGO)], "wake", 1500 + 4 * points)
        for number, points in ((1, 60), (2, 100))
    ),
    *(
        ([some("engaged", number, YEAR)], "wake", 1500 + 2 * points)
        for number, points in ((1, 25), (2, 50), (5, 50), (6, 100))
    ),
    ([paid(1000), *clarity("growing"), some("consulted", 6)], "value", 6100),
    ([paid(1000), *clarity("clear"), some("consulted", 1)], "value", 6000),
    ([paid(5000), *clarity("clear"), some("consulted", 3)], "strategic", 8200),
    ([paid(5000), *clarity("clear"), some("engaged", 6)], "value", 7200),
]
WEEKLY = [hours(1, date(2026, 3, day)) for day in (1, 8, 15)]
CLOSED = some("case_completed", 1, date(2026, 3, 15))
STATE: list[Row] = [
    ([], "prospect"),
    ([some("booked", 1, date(2026, 7, 1))], "prospect"),
    ([paid(10, YEAR)], "new"),
    ([paid(10, LONGER_THAN_A_YEAR)], "lapsed"),
    ([hours(1, MONTH)], "new"),
    ([hours(1, LONGER_THAN_A_MONTH)], "established"),
    ([hours(1, TWO_MONTHS)], "established"),
    ([hours(1, LONGER_THAN_TWO)], "churn_warning"),
    ([hours(1, LONGER_THAN_TWO), some("booked", 1, date(2026, 7, 1))], "established"),
    ([hours(1, LONGER_THAN_TWO), some("booked", 1, TODAY)], "churn_warning"),
    ([hours(1, LONGER_THAN_A_YEAR)], "lapsed"),
    ([hours(1, LONGER_THAN_A_YEAR), some("booked", 1, date(2026, 7, 1))], "established"),
    (WEEKLY, "churn_warning"),
    ([*WEEKLY, hours(1, date(2026, 6, 16))], "established"),
    ([*WEEKLY, CLOSED], "established"),
    ([*WEEKLY, some("case_transferred", 1, date(2026, 3, 15))], "established"),
    ([*WEEKLY, some("case_completed", 1, date(2026, 3, 14))], "churn_warning"),
    ([hours(1, LONGER_THAN_TWO), some("case_completed", 1, LONGER_THAN_TWO)], "established"),
]
GAPS = [hours(1, date(2026, 5, day)) for day in (1, 11, 21)]
STATE += [([*GAPS, hours(1, date(2026, 6, 10))], "established")]
QUARTERS = [QUARTER, HALF, NINE_MONTHS, YEAR]
TREND: list[Row] = [
    ([], "unknown"),
    ([paid(50, LONGER_THAN_A_YEAR)], "unknown"),
    ([paid(50, YEAR)], "fluctuating"),
    ([paid(50, on) for on in QUARTERS], "stable"),
    ([paid(60, on) for on in QUARTERS[:2]] + [paid(50, on) for on in QUARTERS[2:]], "growing"),
    ([paid(59.99, on) for on in QUARTERS[:2]] + [paid(50, on) for on in QUARTERS[2:]], "stable"),
    ([paid(40, on) for on in QUARTERS[:2]] + [paid(50, on) for on in QUARTERS[2:]], "declining"),
    ([paid(40.01, on) for on in QUARTERS[:2]] + [paid(50, on) for on in QUARTERS[2:]], "stable"),
    ([paid(150, on) for on in (QUARTER, NINE_MONTHS)] + [paid(50, HALF), paid(50, YEAR)], "stable"),
    (
        [paid(150.01, on) for on in (QUARTER, NINE_MONTHS)] + [paid(50, HALF), paid(50, YEAR)],
        "fluctuating",
    ),
]
LIFE_CYCLE: list[Row] = [
    ([], "acquired"),
    ([REFERRED], "acquired"),
    ([some("purchased", 1, LONG_AGO)], "converted"),
    ([hours(1, LONG_AGO)], "converted"),
    ([hours(2, LONG_AGO)], "converted"),
    ([hours(3, LONG_AGO)], "retained"),
    ([hours(1, LONG_AGO, "single"), hours(1, LONG_AGO, "couple")], "expanded"),
    ([hours(3, LONG_AGO, "single")], "retained"),
    ([hours(1, LONG_AGO), REFERRED], "expanded"),
    ([hours(3, MONTH), some("case_completed", 1, MONTH)], "completed"),
    ([hours(3, TODAY), some("case_completed", 1, MONTH)], "retained"),
    ([hours(3, MONTH), some("case_completed", 1, MONTH), some("case_opened")], "retained"),
    (
        [some("case_completed", 1, MONTH), some("case_opened"), some("case_closed")],
        "completed",
    ),
]
DECISION_STAGE: list[Row] = [
    ([], "awareness"),
    ([some("purchased", 1, LONG_AGO)], "decision"),
    ([some("quoted", 1, QUARTER, "500")], "decision"),
    ([some("quoted", 1, LONGER_THAN_A_QUARTER, "500")], "awareness"),
    ([some("consulted", 1, HALF), hours(1, HALF)], "decision"),
    ([some("consulted", 1, HALF), hours(1, LONGER_THAN_HALF)], "interest"),
    ([some("visited", 2, LONGER_THAN_HALF)], "interest"),
    ([some("enquired", 9)], "interest"),
    ([some("enquired", 1, YEAR)], "interest"),
    ([some("enquired", 1, LONGER_THAN_A_YEAR)], "awareness"),
]
CREDIT: list[Row] = [
    ([], "good"),
    ([some("due", 1, LONG_AGO)], "arrears"),
    ([some("due", 100, LONG_AGO), some("paid", 100)], "good"),
    ([some("no_show", 1, HALF), some("late_cancelled", 1, HALF)], "watch"),
    ([some("no_show", 1, HALF), some("late_cancelled", 1, LONGER_THAN_HALF)], "good"),
    ([some("no_show", 2), some("due", 1)], "arrears"),
]
CONSENT = said("need_type_consent", "given")
VALUE_NEED_POTENTIAL: list[Row] = [
    ([], "low_unknown_unknown"),
    (
        [paid(5000.01), CONSENT, said("need_type", "long_term"), hours(3), REFERRED],
        "high_long_term_high",
    ),
    ([paid(5000), CONSENT, said("need_type", "returning"), hours(2)], "mid_returning_ordinary"),
    ([said("need_type", "returning"), hours(1, LONGER_THAN_A_YEAR)], "low_unknown_none"),
]
LOYALTY: list[Row] = [
    ([], "new"),
    ([some("purchased", 1, YEAR)], "new"),
    ([some("purchased", 2, YEAR)], "returning"),
    ([some("purchased", 2, LONGER_THAN_A_YEAR)], "new"),
    ([some("purchased", 3, YEAR)], "returning"),
    ([some("purchased", 4, YEAR)], "loyal"),
    ([some("purchased", 2, YEAR), some("referral_converted", 1, YEAR)], "loyal"),
    ([some("purchased", 2, YEAR), some("referral_converted", 1, LONGER_THAN_A_YEAR)], "returning"),
    ([some("purchased", 2, YEAR), some("engaged", 5, YEAR)], "returning"),
    ([some("purchased", 2, YEAR), some("engaged", 6, YEAR)], "loyal"),
    ([some("purchased", 1, YEAR), some("engaged", 6, YEAR)], "new"),
]
RELATION: list[Row] = [
    ([], "unknown"),
    *(([said("relation", word)], word) for word in ("ordinary", "corporate", "channel")),
    ([said("relation", None)], "unknown"),
]
INCOME: list[Row] = [
    ([], "unknown"),
    *(([said("income", word)], word) for word in ("high", "middle", "low")),
]
TABLES: dict[str, list[Row] | list[Scored]] = {
    "concern": CONCERN,
    "credit": CREDIT,
    "decision_stage": DECISION_STAGE,
    "income": INCOME,
    "life_cycle": LIFE_CYCLE,
    "loyalty": LOYALTY,
    "need": NEED,
    "potential": POTENTIAL,
    "relation": RELATION,
    "rfm": RFM,
    "rfm_need": RFM_NEED,
    "scorecard": SCORECARD,
    "state": STATE,
    "trend": TREND,
    "value": VALUE,
    "value_need_potential": VALUE_NEED_POTENTIAL,
}


def test_every_document_has_its_table() -> None:
    assert sorted(TABLES) == sorted(SCHEMES)


@pytest.mark.parametrize("key", TABLES)
def test_both_sides_of_every_boundary(key: str) -> None:
    scheme = SCHEMES[key]
    wrong = []
    for number, (known, tier, *score) in enumerate(TABLES[key]):
        facts = Digest()
        for fact in known:
            told(facts, fact)
        now = stand(scheme, facts, TODAY.toordinal(), TODAY.toordinal())
        found = (scheme.tiers[now.tier].key, now.score)
        if found != (tier, score[0] if score else None):
            wrong.append((number, found, (tier, *score)))
    assert wrong == []


def test_every_tier_comes_in_its_table() -> None:
    for key, rows in TABLES.items():
        if key != "value_need_potential":
            assert {row[1] for row in rows} == set(SCHEMES[key].tier_keys()), key


def test_each_of_the_320_combinations_has_exactly_one_tier() -> None:
    """Four steps of recency, five of frequency, four of price and four of need, by the levels in
    words: the lower of R and F; strategic asks for the highest price and the clearest need of
    those that are known; below that one down, if each known one lies below (C-01)."""
    document = DOCUMENTS["rfm_need"]
    seen = 0
    for recency, frequency, price, need in product(
        (1, 2, 3, 4), range(5), (1, 2, 3, 4), range(1, 5)
    ):
        level = min(recency, (1, 2, 3, 4, 4)[frequency])
        if level == 4:
            level = 4 if price == need == 4 else 3
        elif price < level and need < level:
            level = max(1, level - 1)
        rungs = {"R": recency, "F": min(frequency, 3), "M": price - 1, "N": need}
        assert decide(document, rungs) == (
            ("wake", "cultivate", "value", "strategic")[level - 1],
            None,
        )
        cell = sum(
            rungs[ladder.name] * stride
            for ladder, stride in zip(
                SCHEMES["rfm_need"].ladders, SCHEMES["rfm_need"].strides, strict=True
            )
        )
        assert SCHEMES["rfm_need"].tier_table[cell] == level - 1
        seen += 1
    assert seen == 320
