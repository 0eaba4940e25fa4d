"""Builds ingestion from its parts; the only module that imports all of them."""

from collections.abc import Callable

from fastapi import FastAPI
from sqlalchemy import Connection

from ingestion_service import translate
from ingestion_service.api.clients import clients_router
from ingestion_service.api.clock import clock_router
from ingestion_service.api.events import events_router
from ingestion_service.api.freshness import freshness_router
from ingestion_service.api.keys import keys_router
from ingestion_service.api.packages import packages_router
from ingestion_service.api.practices import practices_router
from ingestion_service.api.relations import relations_router
from ingestion_service.api.sources import sources_router
from ingestion_service.api.tries import tries_router
from ingestion_service.api.webhooks import DOOR, WebhookAddress, webhooks_router
from ingestion_service.consumers import GRADED_TOPICS, GROUP, TOPICS, SourceConsumer
from ingestion_service.importing.command import import_command
from ingestion_service.personal_keys import PersonalKeys
from ingestion_service.ports import Sealer
from ingestion_service.ports.sources import Hashing
from ingestion_service.rebuilding import rebuild_command
from ingestion_service.repairing import repair_with
from ingestion_service.settings import IngestionSettings
from ingestion_service.silences import SilenceWatch
from ingestion_service.store.clock import simulated_time
from ingestion_service.store.freshness_reads import PostgresFreshnessReads
from ingestion_service.store.lost_events import report_lost
from ingestion_service.store.postgres_store import Encoders
from ingestion_service.store.purging import WAYS
from ingestion_service.store.reads import PostgresReads
from ingestion_service.store.secrets import WebhookTokens
from ingestion_service.store.silence_gauges import SilenceGauge
from ingestion_service.store.status import IngestionStatus, QueueGauges
from ingestion_service.store.stores import PostgresStores
from ingestion_service.store.watermarks import complete_through
from ingestion_service.zone_changes import ZoneChanges
from rapport_contracts import asyncapi, topics
from rapport_contracts.asyncapi import VERSION as CONTRACTS_VERSION
from rapport_contracts.heads import event_head, event_id
from rapport_contracts.scopes import SCOPES
from rapport_runtime.bus.port import Outgoing, Producer
from rapport_runtime.cli import Handles, commands
from rapport_runtime.connections import api_database, probe_database
from rapport_runtime.database import Database, real_time
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.me import me_router
from rapport_runtime.http.places import PlaceLimits
from rapport_runtime.ops import incarnation, keys
from rapport_runtime.ops.gauges import DatabaseGauges
from rapport_runtime.ops.incarnation import age_check
from rapport_runtime.ops.operators import Secrets
from rapport_runtime.ops.pause_routes import pauses_router
from rapport_runtime.ops.pauses import Pausable
from rapport_runtime.ops.shared_keys import shared_key
from rapport_runtime.ops.status import DatabaseStatus
from rapport_runtime.ops.status_routes import status_router
from rapport_runtime.ops.stored_keys import StoredKeys
from rapport_runtime.stream import outbox, positions
from rapport_runtime.stream.dead_letters.routes import LetterOrigin, dead_letter_router
from rapport_runtime.stream.dead_letters.table import DeadLetterTable
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.process import Job
from rapport_runtime.stream.real_time import RealTimeMarks
from rapport_runtime.stream.relay import Mark, Relay, WatermarkSource
from rapport_runtime.stream.restored import AfterRestore
from rapport_runtime.stream.strays import Input
from rapport_runtime.stream.topic_marks import TopicMarks
from rapport_runtime.topics import partitions_of

SOURCES = partitions_of(*GRADED_TOPICS)
"""A watermark of time T is published when all these partitions have been read up to T."""
CARE_SOURCES = partitions_of(topics.SOURCE_CARE)
"""As `SOURCES`, for the watermarks of signals of care."""
NO_PRACTICE = (
    "ingestion does not pause a practice: time would go on without its events, and its clients"
    " would fall by it. Pause the topics (time then stands still, for everybody), or pause the"
    " practice in outreach, so that nothing is sent."
)
OUTPUT = Output(
    source=translate.SOURCE,
    topics=(topics.PRACTICES, topics.KEYS, topics.CLIENT_ACTIVITY, topics.CARE_SIGNALS),
    event_id=event_id,
    head=event_head,
)
PAUSABLE = Pausable([topic.name for topic in TOPICS], NO_PRACTICE)
AGAIN = (
    "send again, whole, what came by REST in that interval; what came by the bus is read again"
    " by itself"
)


def build_relay(database: Database, producer: Producer) -> Relay:
    """The relay of the outbox, which publishes activities, practices and watermarks."""
    return Relay(
        database,
        producer,
        OUTPUT,
        watermarks=WatermarkSource(
            topic=topics.CLIENT_ACTIVITY.name,
            complete_through=complete_through(GROUP, SOURCES),
            record=lambda mark: translate.record_of_watermark(*mark),
        ),
    )


def build_marks(database: Database, producer: Producer) -> RealTimeMarks:
    """The relay, which also says up to when all that became of API keys was published."""
    topic = topics.KEYS.name

    def record(mark: Mark) -> Outgoing:
        return translate.record_of_watermark(*mark, topic=topic)

    return RealTimeMarks(database, producer, build_relay(database, producer), topic, record)


def build_care_marks(
    database: Database, producer: Producer, drain: Callable[[], object]
) -> TopicMarks:
    """What `drain` publishes, and behind it up to when the signals of care were."""

    def record(mark: Mark) -> Outgoing:
        return translate.record_of_watermark(*mark, topic=topics.CARE_SIGNALS.name)

    return TopicMarks(
        database,
        producer,
        drain,
        topics.CARE_SIGNALS,
        lambda tx: positions.complete_through(tx, GROUP, CARE_SOURCES),
        record,
    )


def build_stores(
    database: Database, sealer: Sealer, *, is_simulated: bool, personal: Hashing | None = None
) -> PostgresStores:
    """The stores, with the encoders of what they put into the outbox; the rest as in
    `PostgresStores`."""
    encoders = Encoders(
        activity=translate.record_of_activity,
        practice=translate.record_of_practice,
        hold=translate.records_of_hold,
        generation=translate.records_of_generation,
        care=translate.record_of_care,
    )
    return PostgresStores(database, encoders, sealer, is_simulated=is_simulated, personal=personal)


def stores_of(settings: IngestionSettings, database: Database) -> PostgresStores:
    """The stores of an API or a worker."""
    key = settings.identity_bytes
    return build_stores(
        database,
        settings.record_keyring,
        is_simulated=settings.simulated_clock,
        personal=None if key is None else PersonalKeys(key),
    )


def publish_key(tx: Connection, key_id: str) -> None:
    """Tell the other services of a key, as it is now."""
    key, digits = shared_key(tx, key_id), incarnation.current(tx)
    outbox.append(tx, [translate.record_of_key(key, real_time(tx), digits)])


def build_consumer(
    settings: IngestionSettings, database: Database, publish: Callable[[], object]
) -> SourceConsumer:
    """The handler of a worker; it calls `publish` after each commit."""
    set_aside = DeadLetterTable(GROUP, settings.record_keyring).save
    return SourceConsumer(stores_of(settings, database), publish, set_aside)


def build_watch(settings: IngestionSettings, database: Database) -> SilenceWatch:
    """Looks at the sources of a worker's database, by what has been read of the source topics."""
    stores = build_stores(database, settings.record_keyring, is_simulated=settings.simulated_clock)
    return SilenceWatch(stores, lambda tx: positions.complete_through(tx, GROUP, SOURCES))


def build_zone_changes(settings: IngestionSettings, database: Database) -> ZoneChanges:
    """What turns the clients of practices that have changed their zone, beside the loop."""
    sealer = settings.record_keyring
    return ZoneChanges(build_stores(database, sealer, is_simulated=settings.simulated_clock))


def build_api(settings: IngestionSettings) -> FastAPI:
    """The app, with the database role of the API."""
    database, probes = api_database(settings), probe_database(settings)
    stores = stores_of(settings, database)
    reads = PostgresReads(database)
    address = WebhookAddress(WebhookTokens(probes), settings.failed_keys_per_minute)
    service = Service(
        title="Rapport ingestion",
        version=CONTRACTS_VERSION,
        description=(
            "Accepts what booking, payment and other systems report, once each and in any order,"
            " and tells the other services what it changed for which client. Start: register the"
            " practice, then send events to the bus or to `POST /v1/events`."
        ),
        tags={
            "practices": "The practices that this system works for.",
            "events": "What booking and payment systems report.",
            "clients": "Clients, their activity, and what each source has sent.",
            "sources": "The systems that report: whose client ids they speak.",
            "keys": "API keys: who may do what.",
            "clock": "Simulated time, in development only.",
        },
        keys=keys.ApiKeys(probes),
        cursor_key=settings.cursor_key,
        checks={"database": probes.ping, "age": age_check(probes)},
        refresh=[
            DatabaseGauges(probes, GROUP),
            QueueGauges(probes, GROUP),
            SilenceGauge(probes, GROUP),
        ],
        max_body_bytes=settings.max_body_bytes,
        events=asyncapi.document(),
        failed_keys_per_minute=settings.failed_keys_per_minute,
        places=PlaceLimits(places=settings.api_connections),
        calls_per_second=settings.calls_per_second,
        doors={DOOR: address.holder},
        closing=[database.close, probes.close],
    )
    routers = [
        practices_router(stores, reads),
        events_router(stores),
        freshness_router(stores, PostgresFreshnessReads(database)),
        webhooks_router(stores, address),
        tries_router(stores),
        clients_router(stores, reads),
        packages_router(reads),
        sources_router(stores, reads),
        relations_router(stores),
        keys_router(StoredKeys(database, publish_key)),
        me_router(),
        status_router(
            IngestionStatus(
                database, DatabaseStatus(database, settings.service, GROUP, timed=SOURCES)
            )
        ),
        dead_letter_router(
            database, LetterOrigin(topics.SOURCE_PAYMENTS.name, GROUP), settings.record_keyring
        ),
        pauses_router(database, PAUSABLE),
    ]
    if settings.simulated_clock:
        routers.append(clock_router(stores, reads))
    return create_app(service, routers)


def build_worker(
    settings: IngestionSettings, database: Database, producer: Producer
) -> tuple[SourceConsumer, Job]:
    """The handler that accepts source events, and its job."""
    job = Job(
        group=GROUP,
        topics=[topic.name for topic in TOPICS],
        now=simulated_time if settings.simulated_clock else real_time,
        clock_jumps=settings.simulated_clock,
        side_task=build_zone_changes(settings, database).run,
    )
    watch = build_watch(settings, database)
    marks = build_care_marks(database, producer, build_marks(database, producer).drain)

    def publish() -> None:
        watch.run()
        marks.drain()

    return build_consumer(settings, database, publish), job


def _stores_of_command(database: Database, secrets: Secrets) -> PostgresStores:
    if not isinstance(secrets, IngestionSettings):
        raise TypeError("a command of ingestion is given its settings")
    return stores_of(secrets, database)


COMMANDS = commands(
    IngestionSettings,
    "ingestion_service",
    api=build_api,
    worker=build_worker,
    topics=topics.TOPICS,
    handles=Handles(
        pausable=PAUSABLE,
        output=OUTPUT,
        after_restore=AfterRestore(
            reads=Input(GROUP, [topic.name for topic in TOPICS]),
            again=AGAIN,
            report=report_lost,
            repair=repair_with(_stores_of_command),
        ),
        ways=WAYS,
        scopes=SCOPES,
        publish_key=publish_key,
        own={
            "rebuild": rebuild_command(_stores_of_command),
            "import": import_command(_stores_of_command),
        },
    ),
)
