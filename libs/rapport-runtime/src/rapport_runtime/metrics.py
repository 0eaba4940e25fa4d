"""Every metric that a service shows to Prometheus: name, kind, unit, and what to do about it.

The list is closed: a metric is declared here or does not exist; docs/metrics.md is made of it. No
label may hold a practice, a client, a worker, a key or a path as sent; the values of labels are
names that we chose ourselves. The API shows what the database knows, since it runs when the workers
do not; a worker shows what it alone sees.
"""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# Else the client library adds a second family beside each counter, which nothing uses.
disable_created_metrics()  # type: ignore[no-untyped-call]
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
PASSED_OVER = Counter(
    "rapport_passed_over_records_total",
    "Records that were read and not acted on, by what about them: type, kind or reason (not known"
    " to this version), repeated (a sequence that came before, from the writer's"
    " database before it was restored), superseded (an activity of a client that was said anew"
    " since), missing (a signal of care has not come though a later one has), tombstone (a"
    " source's record without a value)."
    " Advice: type, kind or reason: deploy the newer version; repeated: the log line"
    " sequence_repeated names the clients; rebuild them: till then their answers are marked as"
    " incomplete; superseded: nothing, but after a restore of ingestion see the runbook rebuild;"
    " missing: the log line care_signal_missing names the client, whose messages wait; replay the"
    " dead letter of care-signals.v1, see the runbook dead-letters;"
    " tombstone: ask the source what it means by them.",
    ["group", "topic", "what"],
)
DEFERRED = Counter(
    "rapport_deferred_records_total",
    "Source records that were put into the queue of their practice, because it sent more than its"
    " share. Advice: growing for hours: one practice sends more than the workers accept beside the"
    " others; add workers.",
    ["topic"],
)
DEFERRED_RECORDS = Gauge(
    "rapport_deferred_waiting_records",
    "Source records that wait in the queues of their practices. Advice: falling is good; growing:"
    " see rapport_deferred_records_total.",
    ["group"],
)
DEFERRED_PRACTICES = Gauge(
    "rapport_deferred_waiting_practices",
    "Practices of which records wait; their clients' time stands still meanwhile. Advice: more than"
    " a few: the workers are too slow for everybody; look at lag.",
    ["group"],
)
DEFERRED_OLDEST_SECONDS = Gauge(
    "rapport_deferred_oldest_seconds",
    "How far behind the practice that waits longest stands; 0 when none waits. Advice: above 900:"
    " a topic is paused, records cannot be opened, or workers are too few.",
    ["group"],
)
PARKED_OLDEST_SECONDS = Gauge(
    "rapport_parked_oldest_seconds",
    "For how long the oldest source event has been parked, which names no client and whose booking"
    " or payment no other event tells of; 0 when there is none. Advice: above seven days: a source"
    " leaves out the events that name the client; see the runbook of parked events.",
    ["group"],
)
SILENT_SOURCES = Gauge(
    "rapport_silent_sources",
    "Sources that say nothing for longer than they should; time lowers no tier of their practices"
    " meanwhile. Advice: above 0: ask who runs the source; see the runbook of silent sources.",
    ["group"],
)
GENERATION_OLDEST_SECONDS = Gauge(
    "rapport_generation_oldest_seconds",
    "For how long the oldest generation of a client's facts that is not complete has been read; 0"
    " when there is none. Advice: above 3600: a record of it is missing; see the runbook of"
    " rebuilds.",
    ["group"],
)
VISITS_TAKEN_BACK = Counter(
    "rapport_visits_taken_back_total",
    "Completed bookings that count no longer, by the kind of the later event: cancelled,"
    " rescheduled, no_show. Advice: a few are corrections; many say that a source's times are"
    " wrong, or that it uses a booking's id again.",
    ["kind"],
)
PAYMENTS_OVERDRAWN = Counter(
    "rapport_payments_overdrawn_total",
    "Events after which more of their payment has gone back than was paid, by kind; what is beyond"
    " counts nowhere. Advice: a source sends a refund under two ids, a running total as a single"
    " refund, or one amount too small.",
    ["kind"],
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
LAG = Gauge(
    "rapport_lag_records",
    "Records between the position and the log's end. Advice: growing for 10 minutes: add workers.",
    ["group", "topic", "partition"],
)
WORKER_READY = Gauge(
    "rapport_worker_ready",
    "1 while broker and database both answer this worker, else 0. Advice: 0 for a minute: see why"
    " at its /readyz.",
    ["group"],
)
HELD_DEAD_LETTERS = Gauge(
    "rapport_dead_letters_held_records",
    "Dead letters that wait for a person, by reason, of all practices; all workers show the same."
    " Counted up to 10,000. Advice: above 0: list, mend, replay or drop.",
    ["group", "reason"],
)
FLOOD_OF_DEAD_LETTERS = Gauge(
    "rapport_dead_letters_of_one_practice_records",
    "The most held dead letters of the last hour of any one practice, or of those that name none,"
    " by reason; all workers show the same. Counted up to 10,000. Advice: above 500: what one"
    " practice sends is broken; `letters count` names it.",
    ["group", "reason"],
)
PROVIDER_ATTEMPTS = Counter(
    "rapport_provider_attempts_total",
    "Provider calls by what came of them: accepted, rejected (for good), person (nothing arrives at"
    " that contact), busy (a refusal that passes), account (no fault of the message), unknown (may"
    " have been sent). Advice: mostly busy, account or unknown: the provider is down.",
    ["channel", "outcome"],
)
CHANNEL_CLOSED = Gauge(
    "rapport_channel_closed",
    "1 for a channel that is closed, because its provider refuses the account or call after call;"
    " `code` is the provider's word. Messages by it wait. Advice: mend the account.",
    ["channel", "code"],
)
PROVIDER_SECONDS = Histogram(
    "rapport_provider_call_seconds",
    "Seconds of a provider call. Advice: p99 near the time-out: the provider is failing.",
    ["channel"],
    buckets=_SECONDS,
)
BUSINESS_TIME = Gauge(
    "rapport_business_time_seconds",
    "Business time of a partition, swept where time is swept, in seconds since 1970 UTC. Advice:"
    " standing still holds every change by time: look at the service upstream.",
    ["group", "topic", "partition"],
)
OUTBOX_ROWS = Gauge(
    "rapport_outbox_rows",
    "Rows not published yet, counted up to 10,000. Advice: growing: the relay or the broker.",
    ["group"],
)
OUTBOX_OLDEST_SECONDS = Gauge(
    "rapport_outbox_oldest_seconds",
    "Age of the oldest unpublished row, in seconds; 0 when empty. Advice: above 30: the broker.",
    ["group"],
)
WORKERS = Gauge(
    "rapport_workers",
    "Workers by their last report: live (within 30 s), silent (longer, up to an hour), halted (in"
    " the last 10 minutes a loop stopped itself). Advice: none live: nothing moves; halted: read"
    " why in /v1/status.",
    ["group", "state"],
)
PAUSES = Gauge(
    "rapport_pauses",
    "What operators have paused and not resumed, by kind: worker, topic, practice. Advice: above 0"
    " for an hour: ask who still needs it.",
    ["group", "kind"],
)
PURGE_AGE_SECONDS = Gauge(
    "rapport_purge_age_seconds",
    "Seconds since the last purge of the class of retention that waits longest; before the first,"
    " the age of the database. Advice: above two days: the nightly purge does not run, or fails.",
    ["group"],
)
OLDEST_TRANSACTION_SECONDS = Gauge(
    "rapport_oldest_transaction_seconds",
    "For how long, as this process saw it, one transaction or replication slot has kept removed"
    " rows of the database from being cleared away; 0 for none. Advice: above an hour: see the"
    " runbook, and end it.",
    ["group"],
)
DATABASE_IS_OLDER = Gauge(
    "rapport_database_is_older",
    "1 when a worker found that the service has published events that its database does not know,"
    " else 0; workers then do nothing. Advice: see the runbook of backup and restore.",
    ["group"],
)
UNREADABLE = Gauge(
    "rapport_unreadable_offset",
    "The offset of a record that the Kafka client cannot read (compression, checksum, headers); the"
    " partition stands still before it. Absent where all can be read. Advice: see the runbook of"
    " halted loops, and skip it.",
    ["group", "topic", "partition"],
)
UNKNOWN_MESSAGES = Gauge(
    "rapport_unknown_messages",
    "Messages that may have been sent and may not, which nobody repeats, counted up to 10,000."
    " Advice: growing: look at the provider, then at the messages.",
    ["group"],
)

OF_WORKERS = (
    DEFERRED,
    RECORDS,
    BATCHES,
    BATCH_SECONDS,
    DEAD_LETTERS,
    PASSED_OVER,
    FENCED,
    ROLLED_BACK,
    PUBLISHED,
    LAG,
    WORKER_READY,
    HELD_DEAD_LETTERS,
    FLOOD_OF_DEAD_LETTERS,
    PROVIDER_ATTEMPTS,
    PROVIDER_SECONDS,
)
OF_APIS = (
    HTTP_REQUESTS,
    HTTP_SECONDS,
    BUSINESS_TIME,
    OUTBOX_ROWS,
    OUTBOX_OLDEST_SECONDS,
    WORKERS,
    PAUSES,
    PURGE_AGE_SECONDS,
    OLDEST_TRANSACTION_SECONDS,
    DATABASE_IS_OLDER,
    UNREADABLE,
    DEFERRED_RECORDS,
    DEFERRED_PRACTICES,
    DEFERRED_OLDEST_SECONDS,
    PARKED_OLDEST_SECONDS,
    SILENT_SOURCES,
    GENERATION_OLDEST_SECONDS,
    UNKNOWN_MESSAGES,
    CHANNEL_CLOSED,
)
OF_BOTH = (VISITS_TAKEN_BACK, PAYMENTS_OVERDRAWN)
METRICS = (*OF_APIS, *OF_WORKERS, *OF_BOTH)
