"""What a new version of the rules may change while clients stand in the tiers of the one before."""

from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.rulebook_source import InvalidRulebook


def check_change(before: Rulebook, after: Rulebook) -> None:
    """Raises InvalidRulebook when clients who stand in the tiers of `before` would not fit `after`.

    A tier may be added, none may go or change its place among the others; another key would be
    another scheme. Cut-offs, points, weights and names may change.
    """
    if after.key != before.key:
        raise InvalidRulebook("key", f"clients stand in the tiers of {before.key!r}: keep the key")
    stood_in = [tier.key for tier in before.tiers]
    offered = [tier.key for tier in after.tiers]
    gone = [key for key in stood_in if key not in offered]
    if gone:
        raise InvalidRulebook(
            "tiers",
            f"clients may stand in {', '.join(gone)} by version {before.version}: a tier can be"
            " added, none can go",
        )
    if [key for key in offered if key in stood_in] != stood_in:
        raise InvalidRulebook(
            "tiers", f"must keep the order of version {before.version}: {', '.join(stood_in)}"
        )
