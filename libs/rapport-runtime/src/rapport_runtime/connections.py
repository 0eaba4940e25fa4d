"""How a process of a service reaches its bus and its database, by the service's settings."""

from rapport_runtime.bus.kafka import KafkaOptions, KafkaSecurity
from rapport_runtime.database import Database, DatabaseLimits
from rapport_runtime.settings import ServiceSettings

KEY_THREADS = 2
"""So many keys are looked up at once in one API process; one seen a moment ago is not looked up."""
PROBE_THREADS = 2
"""One answers `/readyz`, one reads the gauges of `/metrics`."""


def kafka_options(settings: ServiceSettings, role: str) -> KafkaOptions:
    """The cluster's address and limits, for a process of this service in this role."""
    password = settings.kafka_sasl_password
    return KafkaOptions(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        client_id=f"{settings.service}-{role}",
        security=KafkaSecurity(
            protocol=settings.kafka_security_protocol,
            ca_file=str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
            sasl_mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=password.get_secret_value() if password else None,
        ),
        topic_prefix=settings.topic_prefix,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.heartbeat_interval_ms,
        max_poll_interval_ms=settings.max_poll_interval_ms,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
    )


def worker_database(settings: ServiceSettings) -> Database:
    """The database for a worker. The transaction of a frozen worker ends before its session does;
    connections are not tested before use, since the loop repeats a batch whose connection broke."""
    return Database(
        settings.database_url.get_secret_value(),
        application_name=f"{settings.service}-worker",
        limits=DatabaseLimits(
            idle_in_transaction_ms=settings.idle_in_transaction_ms, ask_first=False
        ),
    )


def api_database(settings: ServiceSettings) -> Database:
    """The database for the requests of an API: one connection for each of the process's places. A
    statement that takes longer than a caller waits is ended, also when it waits for a lock."""
    half = settings.api_connections // 2
    return Database(
        settings.database_url.get_secret_value(),
        application_name=f"{settings.service}-api",
        limits=DatabaseLimits(
            pool_size=settings.api_connections - half,
            max_overflow=half,
            statement_ms=settings.api_statement_ms,
            lock_ms=settings.api_statement_ms,
        ),
    )


def probe_database(settings: ServiceSettings) -> Database:
    """The database for keys, readiness and gauges of an API: a connection for each thread that uses
    it, so that they answer while requests hold all of theirs."""
    return Database(
        settings.database_url.get_secret_value(),
        application_name=f"{settings.service}-api-probes",
        limits=DatabaseLimits(
            pool_size=KEY_THREADS + PROBE_THREADS,
            max_overflow=0,
            statement_ms=settings.api_statement_ms,
            lock_ms=settings.api_statement_ms,
        ),
    )


def purge_database(settings: ServiceSettings) -> Database:
    """The database for a purge: it waits for a lock no longer than others can bear."""
    return Database(
        settings.database_url.get_secret_value(),
        application_name=f"{settings.service}-purge",
        limits=DatabaseLimits(pool_size=2, max_overflow=0, lock_ms=2_000),
    )
