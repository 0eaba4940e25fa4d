"""A label or reason is one line that reads as it stands, whoever writes it."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ingestion_service.api.key_schemas import KeyBody
from rapport_runtime.http.api_keys import checked_label
from rapport_runtime.ops.operators import add_reason
from rapport_runtime.ops.pause_routes import PauseBody

BREAKS = [chr(each) for each in (*range(32), *range(127, 160), 0x2028, 0x2029)]
TURNS = [*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
PLAIN = st.sampled_from(["", "till", "前台", "کافه\u200cها", "👩\u200d⚕️", " "])
SPOILT = st.tuples(PLAIN, st.sampled_from(BREAKS + TURNS), PLAIN).map("".join)


def by_command(text: str) -> str:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_reason(parser, required=True)
    return str(parser.parse_args([f"--why={text}", "--by=ann"]).why)


def by_route(text: str) -> str:
    return PauseBody.model_validate({"kind": "topic", "subject": "t", "why": text}).why


def key_body(text: str) -> str:
    body = {"practice_id": None, "scopes": ["admin"], "label": text}
    return KeyBody.model_validate(body).label


@given(SPOILT)
def test_no_text_of_operators_breaks_its_line_or_turns_it(text: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        checked_label(text)
    with pytest.raises(ValidationError):
        key_body(text)
    with pytest.raises(argparse.ArgumentError, match="one line"):
        by_command(text)
    with pytest.raises(ValidationError):
        by_route(text)


@pytest.mark.parametrize("text", ["till, 前台", "کافه\u200cها", "👩\u200d⚕️", "é" * 100, "a & b?"])
def test_texts_of_all_scripts_are_taken(text: str) -> None:
    for written in (checked_label, key_body, by_command, by_route):
        assert written(text) == text


def test_a_label_may_be_empty_and_a_reason_may_not() -> None:
    assert checked_label("") == key_body("") == ""
    for text in ("", "  ", "\u3000"):
        with pytest.raises(argparse.ArgumentError):
            by_command(text)
        with pytest.raises(ValidationError):
            by_route(text)
