"""Sources that sign what they send: a record without their signature is refused (ADR 57)."""

import hmac
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ingestion_service.domain.facts import SourceFact
from ingestion_service.domain.intake_results import IntakeResult
from ingestion_service.domain.sources import SourceKey
from ingestion_service.ports import Store

HEADER: Final = "rapport-signature"
"""HMAC-SHA-256 of the record's value, or of a request's body, in hexadecimal."""

UNSIGNED: Final = IntakeResult(
    "rejected",
    "unsigned",
    None,
    f"the source signs what it sends, and this has no header {HEADER}, or has several, or stands"
    " partly in headers that are not signed: send it in structured mode, with one signature",
)
BAD_SIGNATURE: Final = IntakeResult(
    "rejected",
    "bad-signature",
    None,
    "none of the source's secrets has signed these bytes: compare the secrets, and sign the value"
    " as it is sent",
)


class Carrier(NamedTuple):
    """What carried a fact: bytes, the values of its signing header, and whether all of the event
    stands in the bytes."""

    value: bytes
    signatures: Sequence[bytes]
    is_whole: bool


def carrier(
    headers: Sequence[tuple[str, bytes]], value: bytes | None, *, is_whole: bool
) -> Carrier:
    """What carried a fact, of a record or a request with these headers."""
    signatures = [content for name, content in headers if name.lower() == HEADER]
    return Carrier(value or b"", signatures, is_whole)


def refusals(
    facts: Sequence[SourceFact], carriers: Sequence[Carrier], store: Store
) -> list[IntakeResult | None]:
    """For each fact, why it is refused; None for one that need not be signed, or is."""
    keys = [SourceKey(fact.practice_id, fact.source) for fact in facts]
    secrets = store.secrets.signing(set(keys)) if keys else {}
    return [
        _refusal(secrets[key], carried) if key in secrets else None
        for key, carried in zip(keys, carriers, strict=True)
    ]


def accept_signed(
    facts: Sequence[SourceFact],
    refused: Sequence[IntakeResult | None],
    accept: Callable[[list[SourceFact]], list[IntakeResult]],
) -> list[IntakeResult]:
    """Accept the facts that are not refused; one result for each fact, in their order."""
    good = [fact for fact, why in zip(facts, refused, strict=True) if why is None]
    accepted = iter(accept(good))
    return [why or next(accepted) for why in refused]


def _refusal(secrets: Sequence[str], carried: Carrier) -> IntakeResult | None:
    if len(carried.signatures) != 1 or not carried.is_whole:
        return UNSIGNED
    signature = carried.signatures[0].lower()
    expected = [
        hmac.digest(secret.encode(), carried.value, "sha256").hex().encode() for secret in secrets
    ]
    is_signed = [hmac.compare_digest(signature, each) for each in expected]
    return None if any(is_signed) else BAD_SIGNATURE
