"""Whom a value names is found in whatever can still be read of it, and in nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_contracts.names import Names, names_in
from tests.support.generators.poison import POISON, Poison
from tests.support.harness.bad_input import good_event

OTHERS = {"tombstone": None, "no JSON": None, "unknown practice": "nobody"}
"""Where the value does not name the practice of the good event that it is made from."""


def written(**attributes: Any) -> bytes:
    return json.dumps({"type": "rapport.payment.settled.v1", **attributes}).encode()


@pytest.mark.parametrize("poison", POISON, ids=[poison.name for poison in POISON])
def test_a_value_that_is_no_event_still_names_its_practice(poison: Poison) -> None:
    _, value = poison.record(good_event(1, poison.of))
    own = good_event(1)["practiceid"]
    assert names_in(value).practice_id == OTHERS.get(poison.name, own)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        pytest.param(
            written(practiceid="lakeside", source="till"), ("lakeside", "till"), id="both"
        ),
        pytest.param(written(source="till"), (None, "till"), id="only the source"),
        pytest.param(written(practiceid=7, source="till"), (None, "till"), id="no text"),
        pytest.param(written(practiceid="Wang Fang"), (None, None), id="no id of a practice"),
        pytest.param(written(data={"practiceid": "x"}), (None, None), id="further down"),
        pytest.param(written(practiceid="lakeside")[:-1], ("lakeside", None), id="cut off"),
        pytest.param(
            b'[{"practiceid": "lakeside"}, {"practiceid":"lakeside"}]',
            ("lakeside", None),
            id="a list of one practice's",
        ),
        pytest.param(
            b'[{"practiceid": "lakeside"}, {"practiceid": "harbour"}]',
            (None, None),
            id="a list of two practices'",
        ),
        pytest.param(b"\x00\x01lakeside", (None, None), id="no JSON"),
        pytest.param(None, (None, None), id="no value"),
    ],
)
def test_what_names_somebody(value: bytes | None, names: tuple[str | None, str | None]) -> None:
    assert names_in(value) == Names(*names)


@given(st.binary() | st.text().map(str.encode))
def test_whatever_comes_names_somebody_or_nobody(value: bytes) -> None:
    assert names_in(value).practice_id is None or b"practiceid" in value
