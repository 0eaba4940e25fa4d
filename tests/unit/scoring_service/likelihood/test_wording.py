"""Estimates in words, for the desk and for the client themself."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import pytest

import scoring_service
from scoring_service.domain.kernel.source import InvalidDocument
from scoring_service.domain.likelihood.estimates import Estimate, NotReady, WhyNot
from scoring_service.domain.likelihood.histories import History
from scoring_service.domain.likelihood.wording import (
    Language,
    for_client,
    for_staff,
    parse_texts,
    why_not_ready,
)
from tests.support.generators.scheme_histories import SCHEMES
from tests.unit.scoring_service.kernel.test_refusals import put

SOURCE: dict[str, Any] = json.loads(
    (Path(scoring_service.__file__).parent / "texts" / "likelihood.json").read_text("utf-8")
)
TEXTS = parse_texts(SOURCE)
REGULAR = History(first=739_700, last=739_800, repeats=11, age=110)
ONCE = History(first=739_700, last=739_700, repeats=0, age=110)
AGAIN = Estimate("came_again", alive=950, returns=834, visits=476, value_minor=285_000)
CAME_ONCE = Estimate("came_once", returns=123, visits=31, value_minor=18_000)
NEVER = Estimate("never_came")
LANGUAGES: tuple[Language, ...] = get_args(Language)


def test_the_desk_reads_the_history_the_chance_and_what_to_expect() -> None:
    said = for_staff(TEXTS, "en", AGAIN, REGULAR, "2,850.00 CNY")
    assert said == (
        "Came on 12 days, from 2026-03-25 to 2026-07-03. Of 100 clients with such a history about"
        " 83 come again within half a year. Seems to be still in counselling here. On average about"
        " 4.8 days with an hour are to be expected in that time. They would pay about 2,850.00 CNY."
        " An average over clients with like histories, for the order of the list alone; it decides"
        " no tier and no care."
    )
    chinese = for_staff(TEXTS, "zh", AGAIN, REGULAR, "2,850.00元")
    assert chinese.startswith("从2026-03-25到2026-07-03共有12天来访。")
    assert "约有83人" in chinese
    assert "约有4.8天" in chinese
    assert "约2,850.00元" in chinese


@pytest.mark.parametrize(
    ("alive", "key"),
    [
        (1000, "alive_likely"),
        (700, "alive_likely"),
        (699, "alive_open"),
        (300, "alive_open"),
        (299, "alive_unlikely"),
        (0, "alive_unlikely"),
    ],
)
def test_whether_they_still_come_is_said_in_three_steps(alive: int, key: str) -> None:
    for language in LANGUAGES:
        said = for_staff(TEXTS, language, AGAIN._replace(alive=alive), REGULAR)
        steps = ("alive_likely", "alive_open", "alive_unlikely")
        assert [each for each in steps if SOURCE["staff"][each][language] in said] == [key]


def test_too_few_facts_are_said_to_be_too_few() -> None:
    for language in LANGUAGES:
        assert for_staff(TEXTS, language, NEVER, None) == SOURCE["staff"]["never_came"][language]
        once = for_staff(TEXTS, language, CAME_ONCE, ONCE)
        assert not any(
            SOURCE["staff"][key][language] in once for key in SOURCE["staff"] if "alive" in key
        )
    assert "too little to tell" in for_staff(TEXTS, "en", CAME_ONCE, ONCE)


def test_a_practice_that_is_not_ready_reads_what_it_lacks() -> None:
    words: tuple[WhyNot, ...] = get_args(WhyNot)
    for language in LANGUAGES:
        said = {why: why_not_ready(TEXTS, language, NotReady(why)) for why in words}
        assert len(set(said.values())) == len(words)
        assert "100" in said["too_few_clients"]
        assert "50" in said["too_few_returned"]
        assert "182" in said["too_short"]


def test_the_client_reads_their_own_dates_and_no_figure_of_the_estimate() -> None:
    for language in LANGUAGES:
        said = for_client(TEXTS, language, AGAIN, REGULAR)
        assert re.findall(r"\d+", said.replace("2026-03-25", "").replace("2026-07-03", "")) == [
            "12"
        ]
        assert for_client(TEXTS, language, NEVER, None) == SOURCE["client"]["never_came"][language]
        once = for_client(TEXTS, language, CAME_ONCE, ONCE)
        assert re.findall(r"\d+", once.replace("2026-03-25", "")) in ([], ["1"])


def test_the_client_reads_no_tier_name() -> None:
    names = {
        name.lower()
        for scheme in SCHEMES.values()
        for tier in scheme.tiers
        for name in (tier.key, *tier.names.values())
    }
    for language in LANGUAGES:
        said = " ".join(text[language] for text in SOURCE["client"].values()).lower()
        words = set(re.findall(r"[a-z_]+", said))
        assert not words & names - {"new"}
        assert not [name for name in names if not name.isascii() and name in said]


@pytest.mark.parametrize(
    ("path", "value", "field", "reason"),
    [
        (("staff", "visits"), ..., "staff.visits", "is missing"),
        (("client", "footer", "zh"), ..., "client.footer.zh", "is missing"),
        (("client", "footer", "zh"), " ", "client.footer.zh", "not empty"),
        (("staff", "alive"), {}, "staff.alive", "is unknown"),
        (("guests",), {}, "guests", "is unknown"),
    ],
)
def test_texts_that_are_not_whole_are_refused(
    path: tuple[str, ...], value: Any, field: str, reason: str
) -> None:
    source = deepcopy(SOURCE)
    put(".".join(path), value)(source)
    with pytest.raises(InvalidDocument) as refused:
        parse_texts(source)
    assert (refused.value.field, reason in refused.value.reason) == (field, True)
