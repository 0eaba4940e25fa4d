"""How a process of a service reaches its bus and its database, by the service's settings."""

from rapport_runtime.bus.kafka import KafkaOptions, KafkaSecurity
from rapport_runtime.database import Database, DatabaseLimits
from rapport_runtime.settings import ServiceSettings


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


def purge_database(settings: ServiceSettings) -> Database:
    """The database for a purge: it waits for a lock no longer than others can bear."""
    return Database(
        settings.database_url.get_secret_value(),
        application_name=f"{settings.service}-purge",
        limits=DatabaseLimits(pool_size=2, max_overflow=0, lock_ms=2_000),
    )
