"""The result of the rules for one client: tier and score, with the inputs that earned them."""

from typing import NamedTuple

from scoring_service.domain.rulebook import Rungs


class RuleResult(NamedTuple):
    """The result of the rules on one day (a named tuple: one is made for every fact).

    `tier` indexes the rulebook's tiers, `score` is in hundredths of a point. `last` is the ordinal
    of the last completed day, 0 when there is none; `completed` and `amount_minor` are the sums of
    their windows; `rungs` is where those lie on the rulebook's ladders.
    """

    tier: int
    score: int
    last: int
    completed: int
    amount_minor: int
    rungs: Rungs
