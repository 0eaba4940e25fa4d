"""The built-in texts, as a dispatcher makes messages of them, with one link out for everybody."""

from outreach_service.builtin import builtin_catalogue
from outreach_service.contacts import zones_of_number
from outreach_service.domain.rules import DEFAULT_RULES, Rules
from outreach_service.handlers.opening import DispatchOptions
from outreach_service.rendering import Composer

WAY_OUT = "https://practice.example/u/1"
COMPOSER = Composer(builtin_catalogue(), lambda _: WAY_OUT)


def dispatch_options(lease_seconds: float = 60, rules: Rules = DEFAULT_RULES) -> DispatchOptions:
    """The options of a dispatcher that sends these texts."""
    return DispatchOptions(
        lease_seconds=lease_seconds,
        compose=COMPOSER,
        zones_of_number=zones_of_number,
        rules=rules,
    )
