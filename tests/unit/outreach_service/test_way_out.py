"""No text promises a way out that nobody hears."""

from dataclasses import replace

from outreach_service.domain.gates import Send, Suppress, gate
from outreach_service.domain.rules import DEFAULT_RULES
from outreach_service.domain.terms import Channel, Purpose
from tests.support.generators.outreach_values import a_context, a_marketing_play


def test_what_has_no_way_out_is_not_sent_and_the_next_route_is_taken() -> None:
    unheard = frozenset({(Channel.SMS, Purpose.MARKETING)})
    rules = replace(DEFAULT_RULES, without_way_out=unheard)
    decision = gate(a_context(play=a_marketing_play(), rules=rules))
    assert isinstance(decision, Send)
    assert decision.route.channel is Channel.EMAIL

    by_sms = a_marketing_play(steps=[{"channels": [{"channel": "sms", "template": "win-back"}]}])
    refused = Suppress("no-permitted-channel: sms without a way out of marketing")
    assert gate(a_context(play=by_sms, rules=rules)) == refused
    assert isinstance(gate(a_context(play=by_sms)), Send)
