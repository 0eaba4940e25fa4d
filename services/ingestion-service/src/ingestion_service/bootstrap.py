"""Where the parts of ingestion meet; the only file that knows every room."""

from collections.abc import Callable
from functools import partial

from fastapi import FastAPI

from ingestion_service import translate
from ingestion_service.api.clients import clients_router
from ingestion_service.api.clock import clock_router
from ingestion_service.api.events import events_router
from ingestion_service.api.practices import practices_router
from ingestion_service.consumers import GROUP, TOPICS, SourceConsumer
from ingestion_service.settings import IngestionSettings
from ingestion_service.store.clock import real_time, simulated_time
from ingestion_service.store.reads import PostgresReads
from ingestion_service.store.sessions import PostgresSessions, session_in
from ingestion_service.store.watermarks import complete_through
from rapport_contracts import asyncapi, topics
from rapport_runtime.bus.port import Producer
from rapport_runtime.cli import (
    Job,
    commands,
    partitions_of,
)
from rapport_runtime.database import Database
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.ops import keys
from rapport_runtime.ops.gauges import DatabaseGauges
from rapport_runtime.ops.pause_routes import pauses_router
from rapport_runtime.ops.pauses import Pausable
from rapport_runtime.ops.status import ChassisStatus
from rapport_runtime.ops.status_routes import status_router
from rapport_runtime.stream.dead_letters.routes import dead_letter_router
from rapport_runtime.stream.relay import Relay, WatermarkSource

SOURCES = partitions_of(*TOPICS)
"""The partitions that must all have been read up to T before a watermark may say T."""
NO_PRACTICE = (
    "ingestion does not pause a practice: time would go on without its events, and its clients"
    " would fall by it. Pause the topics (time then stands still, for everybody), or pause the"
    " practice in outreach, so that nothing is sent."
)
PAUSABLE = Pausable([topic.name for topic in TOPICS], NO_PRACTICE)


def build_relay(database: Database, producer: Producer) -> Relay:
    """What publishes canonical activity, and how far time has come."""
    return Relay(
        database,
        producer,
        partitions=topics.CLIENT_ACTIVITY.partitions,
        watermarks=WatermarkSource(
            complete_through=complete_through(GROUP, SOURCES), record=translate.record_of_watermark
        ),
    )


def build_consumer(settings: IngestionSettings, publish: Callable[[], object]) -> SourceConsumer:
    """The handler of a worker; `publish` is called once it has committed something."""
    open_session = partial(session_in, is_simulated=settings.simulated_clock)
    return SourceConsumer(open_session, publish)


def build_api(settings: IngestionSettings) -> FastAPI:
    """The app, on the API's role."""
    database = Database(
        settings.database_url.get_secret_value(), application_name="ingestion-service-api"
    )
    sessions = PostgresSessions(database, is_simulated=settings.simulated_clock)
    reads = PostgresReads(database)
    service = Service(
        title="Rapport ingestion",
        version="0.1.0",
        description=(
            "Accepts what booking and payment systems report, once each and in any order, and"
            " tells the other services what it changed for which client. Start here: register the"
            " practice, then send events to the bus or to `POST /v1/events`."
        ),
        keys=keys.ApiKeys(database),
        cursor_key=settings.cursor_key,
        checks={"database": database.ping},
        refresh=[DatabaseGauges(database, GROUP)],
        max_body_bytes=settings.max_body_bytes,
        events=asyncapi.document(),
        failed_keys_per_minute=settings.failed_keys_per_minute,
        closing=[database.close],
    )
    routers = [
        practices_router(sessions, reads),
        events_router(sessions),
        clients_router(sessions, reads),
        status_router(ChassisStatus(database, settings.service, GROUP, timed=SOURCES)),
        dead_letter_router(database),
        pauses_router(database, PAUSABLE),
    ]
    if settings.simulated_clock:
        routers.append(clock_router(sessions, reads))
    return create_app(service, routers)


def build_worker(
    settings: IngestionSettings, database: Database, producer: Producer
) -> tuple[SourceConsumer, Job]:
    """The handler that accepts what the sources send, and its job."""
    job = Job(
        group=GROUP,
        topics=[topic.name for topic in TOPICS],
        now=simulated_time if settings.simulated_clock else real_time,
        clock_jumps=settings.simulated_clock,
    )
    return build_consumer(settings, build_relay(database, producer).drain), job


COMMANDS = commands(
    IngestionSettings,
    "ingestion_service",
    api=build_api,
    worker=build_worker,
    pausable=PAUSABLE,
    topics=topics.TOPICS,
)
