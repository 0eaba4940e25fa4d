"""Every number that a service shows to Prometheus: name, kind, unit, and what to do about it.

The list is closed: a metric is declared here or does not exist (STYLE rule 20). No label may
hold a client, a key or a path as sent; labels are names that we chose ourselves.
"""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

HTTP_REQUESTS = Counter(
    "rapport_http_requests_total",
    "Requests answered, by route template and status. Advice: look at the log when 5xx grows.",
    ["method", "route", "status"],
)
HTTP_SECONDS = Histogram(
    "rapport_http_request_seconds",
    "Seconds from the first byte of a request to the end of its answer. Advice: p99 above 1 s:"
    " look at the database pool.",
    ["method", "route"],
    buckets=_SECONDS,
)
RECORDS = Counter(
    "rapport_records_total",
    "Records whose position was committed. Advice: flat while lag grows: the worker is stuck.",
    ["group", "topic"],
)
BATCHES = Counter(
    "rapport_batches_total",
    "Batches committed. Advice: records per batch near 1 under load: look at the poll settings.",
    ["group"],
)
BATCH_SECONDS = Histogram(
    "rapport_batch_seconds",
    "Seconds from a poll's return to its commit. Advice: keep far below max_poll_interval.",
    ["group"],
    buckets=_SECONDS,
)
DEAD_LETTERS = Counter(
    "rapport_dead_letters_total",
    "Records put aside, by reason. Advice: list them by the dead-letter router, mend, replay.",
    ["group", "topic", "reason"],
)
FENCED = Counter(
    "rapport_fenced_batches_total",
    "Batches rolled back because another worker had moved the position. Advice: a few at a"
    " rebalance are the protection at work; many say that workers freeze or polls are too slow.",
    ["group"],
)
ROLLED_BACK = Counter(
    "rapport_rolled_back_batches_total",
    "Batches rolled back to be tried again, by cause. Advice: look at the database and its log.",
    ["group", "cause"],
)
PUBLISHED = Counter(
    "rapport_outbox_published_total",
    "Outbox rows that the bus acknowledged. Advice: flat while the oldest row ages: the relay.",
    ["topic"],
)
OUTBOX_OLDEST_SECONDS = Gauge(
    "rapport_outbox_oldest_seconds",
    "Age of the oldest unpublished row, in seconds; 0 when empty. Advice: above 30: the broker.",
)
BUSINESS_TIME = Gauge(
    "rapport_business_time_seconds",
    "Business time of a partition, in seconds since 1970 UTC. Advice: standing still holds every"
    " change by time: look at the service upstream.",
    ["group", "topic", "partition"],
)
LAG = Gauge(
    "rapport_lag_records",
    "Records between the position and the log's end. Advice: growing for 5 minutes: add workers.",
    ["group", "topic", "partition"],
)

METRICS = (
    HTTP_REQUESTS,
    HTTP_SECONDS,
    RECORDS,
    BATCHES,
    BATCH_SECONDS,
    DEAD_LETTERS,
    FENCED,
    ROLLED_BACK,
    PUBLISHED,
    OUTBOX_OLDEST_SECONDS,
    BUSINESS_TIME,
    LAG,
)
