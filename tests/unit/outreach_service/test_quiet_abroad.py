"""Quiet hours of several zones: of the practice, and of the channel."""

from outreach_service.domain.terms import Purpose
from tests.unit.outreach_service.memory_outreach import HOUR, NOON, MemoryOutreach


def test_promotion_by_sms_keeps_to_the_hours_of_shanghai_too(outreach: MemoryOutreach) -> None:
    routes = [{"channel": "sms", "template": "win-back"}]
    outreach.reachable(purpose=Purpose.MARKETING)
    outreach.stores.business_time = NOON + HOUR  # 21:00 in Shanghai
    outreach.fall(purpose="marketing", steps=[{"channels": routes}])
    assert outreach.dispatch().claimed == []
    assert outreach.state() == ("deferred", "quiet-hours")
