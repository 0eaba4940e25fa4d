"""The pact: what the front desk needs of scoring, held against the desk's own code, and written."""

import json
import os
from pathlib import Path

import httpx
import pytest
from pact import Pact, match

from tests.contract.pact.front_desk import Board, card_of

CLIENT = "0123456789abcdef0123456789abcdef"
STRANGER = "f" * 32
WHEN = "1997-01-02T12:00:00Z"
INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
KNOWN, UNKNOWN = "a client who has come and paid", "no such client"
CHANGE, MARK = "a client's tier has changed", "tier changes are complete up to a time"
PATH = "/v1/clients/{}/tier"
LINE = {"line": "recency", "input": "last_completed", "value": "1997-01-02", "points": 1}
BEARER = match.regex("Bearer key", regex=r"^Bearer \S+$")


def instant() -> match.AbstractMatcher[str]:
    return match.regex(WHEN, regex=INSTANT)


os.environ["PACT_DO_NOT_TRACK"] = "true"  # else the library reports each run to its makers


@pytest.fixture(scope="package")
def pact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the pact file, once the consumer has kept its side."""
    folder = tmp_path_factory.mktemp("pacts")
    for keep_side in (_asks, _listens):
        pact = Pact("front-desk", "scoring-service").with_specification("V4")
        keep_side(pact)
        pact.write_file(folder)  # into the one file of both
    return folder


def _asks(pact: Pact) -> None:
    """The desk's questions, against a server that answers as it expects."""
    _expect_answers(pact)
    with pact.serve(addr="127.0.0.1") as server:
        card = card_of(str(server.url), "key", CLIENT)
        assert (card.tier, card.label) == ("bronze", "铜牌")
        assert card.until is not None
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            card_of(str(server.url), "key", STRANGER)


def _listens(pact: Pact) -> None:
    """The desk's reading of records as it expects them."""
    _expect_messages(pact)
    board = Board()
    pact.verify(lambda body, _: board.on_record(_bytes(body)), "Async")
    assert board.tiers == {CLIENT: "bronze"}


def _bytes(body: str | bytes | None) -> bytes:
    assert body is not None
    return body.encode() if isinstance(body, str) else body


def _expect_answers(pact: Pact) -> None:
    answer = {
        "tier": match.str("bronze"),
        "tier_names": {"zh": match.str("铜牌")},
        "since": instant(),
        "next_transition": {"at": instant()},
    }
    (
        pact.upon_receiving("a question for a client's tier")
        .given(KNOWN)
        .with_request("GET", PATH.format(CLIENT))
        .with_header("Authorization", BEARER)
        .will_respond_with(200)
        .with_body(answer, content_type="application/json")
    )
    (
        pact.upon_receiving("a question for a stranger's tier")
        .given(UNKNOWN)
        .with_request("GET", PATH.format(STRANGER))
        .with_header("Authorization", BEARER)
        .will_respond_with(404)
        .with_body(
            {"type": "urn:rapport:problem:not-found"}, content_type="application/problem+json"
        )
    )


def _expect_messages(pact: Pact) -> None:
    envelope = {
        "specversion": "1.0",
        "id": match.str("harbour.1"),
        "source": "scoring-service",
        "time": instant(),
    }
    change = {
        "client_id": match.regex(CLIENT, regex="^[0-9a-f]{32}$"),
        "scheme": match.str("rfm"),
        "version": match.int(1),
        "rulebook_version": match.int(1),
        "primary": match.bool(True),
        "from_tier": match.str("prospect"),
        "to_tier": match.str("bronze"),
        "direction": match.regex("upgraded", regex="^(entered|upgraded|downgraded|moved|left)$"),
        "reason": match.str("activity"),
        "origin": match.regex("live", regex="^(live|backfill)$"),
        "effective_at": instant(),
        "happened_at": instant(),
        "activity_id": match.str("a1"),
        "score": match.regex("25.00", regex=r"^\d{1,3}\.\d\d$"),
        "explanation": match.each_like(LINE),
        "zone": match.str("Europe/London"),
    }
    changed = envelope | {
        "type": "rapport.tier.changed.v1",
        "practiceid": match.str("harbour"),
        "data": change,
    }
    mark = envelope | {"type": "rapport.watermark.advanced.v1", "data": {"up_to": instant()}}
    for name, body in ((CHANGE, changed), (MARK, mark)):
        message = pact.upon_receiving(name, "Async").given(KNOWN)
        message.with_body(body, content_type="application/json")


def interactions(folder: Path) -> list[str]:
    """The descriptions in the pact file."""
    (file,) = folder.glob("*.json")
    return [one["description"] for one in json.loads(file.read_text("utf-8"))["interactions"]]
