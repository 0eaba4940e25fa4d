"""How long the run is and when which worker dies: the short one of CI, the proof's full one."""

from tests.support.generators.workload import WorkloadSize
from tests.support.pipeline.run import PipelinePlan
from tests.support.pipeline.workers import Death

SHORT = PipelinePlan(
    size=WorkloadSize(events=3_000, clients=300, days=36),
    deaths={
        "ingestion": [
            [Death(1, "accepted=kill@3")],
            [Death(12, "acked_not_marked=kill@2")],
        ],
        "scoring": [
            [Death(1, "in_tx=kill@5")],
            [Death(12, "sweeping=kill@2")],
        ],
        "outreach": [
            [Death(1, "claim_committed=kill@2")],
            [Death(12, "intent_claimed=kill@2")],
        ],
    },
    freeze_on=20,
    joins={26: "scoring"},
    leaves=(32,),
)
"""Every worker dies once, at six different places."""

FULL = PipelinePlan(
    size=WorkloadSize(events=20_000, clients=2_000, days=75),
    deaths={
        "ingestion": [
            [
                Death(2, "before_db_commit=kill@4"),
                Death(22, "acked_not_marked=kill@3"),
                Death(46, "accepted=kill@5"),
            ],
            [
                Death(8, "after_db_commit=kill@4"),
                Death(30, "outbox_claimed=kill@3"),
                Death(54, "rebalance_assigned=kill@1"),
            ],
        ],
        "scoring": [
            [
                Death(2, "in_tx=kill@8"),
                Death(22, "sweeping=kill@2"),
                Death(46, "acked_not_marked=kill@3"),
            ],
            [
                Death(8, "before_db_commit=kill@6"),
                Death(30, "after_db_commit=kill@9"),
                Death(54, "before_kafka_commit=kill@1"),
            ],
        ],
        "outreach": [
            [
                Death(2, "intent_claimed=kill@3"),
                Death(22, "request_sent=kill@7"),
                Death(46, "result_recorded=kill@2"),
            ],
            [
                Death(8, "claim_committed=kill@2"),
                Death(30, "response_read=kill@2"),
                Death(54, "after_db_commit=kill@5"),
            ],
        ],
    },
    freeze_on=62,
    joins={12: "scoring", 15: "ingestion", 34: "outreach", 37: "scoring"},
    leaves=(18, 27, 40, 43),
)
"""Every worker dies three times; eighteen deaths at fourteen places."""
