"""What an activity counts for: the sums and words of the digest that the measures read.

Each is signed like its activity, so a correction takes back what it corrects, whichever comes
first. Of a signal an activity says what holds now (ADR 52): a case that has ended takes its opening
back, and arrears that are cleared take theirs.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from scoring_service.domain import purchases
from scoring_service.domain.digest import Digest
from scoring_service.domain.digest_bytes import MOST_TEXT
from scoring_service.domain.facts import Fact
from scoring_service.domain.kernel.facts import Said
from scoring_service.domain.kernel.measures.attribute import GIVEN

NEED_CLARITY, NEED_CONSENT = "need_clarity", "need"
"""The attribute that says how clear a need is, and the one that is the consent to consider it."""
WITHDRAWN = "withdrawn"
LATE: Final = timedelta(days=1)
"""A client who cancels less than this before the hour cancels late (ours, ADR 59)."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_A_MOMENT: Final = timedelta(microseconds=1)
_OUTCOMES: Final = {"completed": "case_completed", "transferred": "case_transferred"}


def count(digest: Digest, fact: Fact) -> bool:
    """Fold an activity into a client's digest; True if that changed it. ValueError for a kind that
    is not known."""
    fold = COUNTS_FOR.get(fact.kind)
    if fold is None:
        raise ValueError(f"not a kind of activity: {fact.kind!r}")
    return fold(digest, fact)


def _nothing(_: Digest, __: Fact) -> bool:
    return False


def _one(kind: str) -> Callable[[Digest, Fact], bool]:
    """An activity that counts for one kind, without a key."""

    def counted(digest: Digest, fact: Fact) -> bool:
        return digest.put(kind, fact.on.toordinal(), fact.count)

    return counted


def _in_column(digest: Digest, fact: Fact) -> bool:
    return digest.add(fact.kind, fact.on, fact.count, fact.amount_minor)


def _completed(digest: Digest, fact: Fact) -> bool:
    service = _text_of(fact, "service_code")
    return digest.put("completed", fact.on.toordinal(), fact.count, service)


def _cancelled(digest: Digest, fact: Fact) -> bool:
    if fact.cancelled_by != "client" or fact.cancelled_at is None or fact.starts_at is None:
        return False
    if fact.starts_at - fact.cancelled_at >= LATE:
        return False
    return digest.put("late_cancelled", fact.on.toordinal(), fact.count)


def _settled(digest: Digest, fact: Fact) -> bool:
    changed = _in_column(digest, fact)
    if fact.object_id is None:
        return changed
    package = _text_of(fact, "package_id")
    units = fact.attributes.get("units", 0)
    key = purchases.key_of_payment(
        mark_of(fact.object_id),
        mark_of(package) if package else "",
        units if isinstance(units, int) else 0,
    )
    return digest.put(purchases.PAID, fact.on.toordinal(), fact.amount_minor, key) or changed


def _refunded(digest: Digest, fact: Fact) -> bool:
    changed = _in_column(digest, fact)
    if fact.object_id is None:
        return changed
    key = mark_of(fact.object_id)
    return digest.put(purchases.RETURNED, fact.on.toordinal(), fact.amount_minor, key) or changed


def _need(digest: Digest, fact: Fact) -> bool:
    changed = False
    if fact.object_id is not None:
        key, day = mark_of(fact.object_id), fact.on.toordinal()
        changed = digest.put(purchases.OFFERED, day, fact.amount_minor, key)
    clarity = _text_of(fact, "clarity")
    return _word(digest, fact, NEED_CLARITY, clarity) or changed if clarity else changed


def _case_closed(digest: Digest, fact: Fact) -> bool:
    """A case that has ended was opened: its opening was taken back when it ended."""
    day = fact.on.toordinal()
    outcome = _OUTCOMES.get(_text_of(fact, "outcome"))
    if outcome is not None:
        digest.put(outcome, day, fact.count)
    digest.put("case_opened", day, fact.count)
    return digest.put("case_closed", day, fact.count)


def _arrears(digest: Digest, fact: Fact) -> bool:
    return digest.put("due", fact.on.toordinal(), fact.amount_minor)


def _consent(value: str) -> Callable[[Digest, Fact], bool]:
    def said(digest: Digest, fact: Fact) -> bool:
        return _word(digest, fact, NEED_CONSENT, value)

    return said


def _word(digest: Digest, fact: Fact, name: str, value: str) -> bool:
    """A word that was said, or the one that its activity refers to taken back."""
    if fact.count < 0:
        return digest.unsay(name, _number_of(fact.refers_to or fact.activity_id))
    if not fact.count:
        return False
    at = (fact.occurred_at - _EPOCH) // _A_MOMENT
    mark = _number_of(fact.activity_id)
    return digest.say(name, Said(fact.on.toordinal(), fact.sequence, value, None, at, mark))


def mark_of(identity: str) -> str:
    """A short name for an id, the same for ever: 16 hexadecimal digits."""
    return blake2b(identity.encode(), digest_size=8).hexdigest()


def _number_of(identity: str) -> int:
    """The same as a signed integer of 64 bits; never 0."""
    return int.from_bytes(bytes.fromhex(mark_of(identity)), "little", signed=True) or 1


def _text_of(fact: Fact, name: str) -> str:
    """A code of the activity; one that is too long to be kept by its mark, empty for none."""
    code = fact.attributes.get(name)
    if not isinstance(code, str):
        return ""
    return code if len(code.encode()) <= MOST_TEXT else mark_of(code)


COUNTS_FOR: Final[Mapping[str, Callable[[Digest, Fact], bool]]] = {
    "registered": _nothing,
    "requested": _nothing,
    "booked": _one("booked"),
    "completed": _completed,
    "no_show": _in_column,
    "cancelled": _cancelled,
    "settled": _settled,
    "refunded": _refunded,
    "consulted": _one("consulted"),
    "visited": _one("visited"),
    "enquired": _one("enquired"),
    "referral_made": _nothing,
    "referral_converted": _one("referral_converted"),
    "engaged": _one("engaged"),
    "need_noted": _need,
    "case_opened": _one("case_opened"),
    "case_closed": _case_closed,
    "arrears_opened": _arrears,
    "arrears_cleared": _nothing,
    "need_consent_given": _consent(GIVEN),
    "need_consent_withdrawn": _consent(WITHDRAWN),
    "override_begun": _nothing,
    "override_ended": _nothing,
    "neutral_begun": _nothing,
    "neutral_ended": _nothing,
}
"""How each kind is folded. A referral counts when somebody came of it; what overrides a tier is for
the schemes (ADR 59)."""
