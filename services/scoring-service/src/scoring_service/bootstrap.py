"""Builds scoring's parts and puts them together; the only module that imports all others."""

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

from fastapi import FastAPI

from rapport_contracts import asyncapi, codec, topics
from rapport_contracts.asyncapi import VERSION as CONTRACTS_VERSION
from rapport_contracts.heads import event_head, event_id
from rapport_contracts.scopes import scopes_of
from rapport_runtime.bus.port import Producer
from rapport_runtime.cli import Handles, commands
from rapport_runtime.connections import api_database, probe_database
from rapport_runtime.database import Database
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.me import me_router
from rapport_runtime.http.places import PlaceLimits
from rapport_runtime.http.streams import Streams
from rapport_runtime.json_files import read_json_file
from rapport_runtime.ops import keys
from rapport_runtime.ops.gauges import DatabaseGauges
from rapport_runtime.ops.generation_age import GenerationAge
from rapport_runtime.ops.incarnation import age_check
from rapport_runtime.ops.pause_routes import pauses_router
from rapport_runtime.ops.pauses import Pausable
from rapport_runtime.ops.shared_keys import KeyLog
from rapport_runtime.ops.status import DatabaseStatus
from rapport_runtime.ops.status_routes import status_router
from rapport_runtime.settings import PREFIX, SettingsError
from rapport_runtime.stream.dead_letters.routes import LetterOrigin, dead_letter_router
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.process import Job
from rapport_runtime.stream.relay import Relay, WatermarkSource
from rapport_runtime.stream.restored import AfterRestore
from rapport_runtime.stream.strays import Input
from rapport_runtime.topics import partitions_of
from scoring_service import translate
from scoring_service.api.feed import feed_router
from scoring_service.api.tiers import tier_router
from scoring_service.consumers import TOPICS, ScoringConsumer
from scoring_service.domain.rulebook import Rulebook
from scoring_service.domain.rulebook_source import InvalidRulebook, parse_rulebook
from scoring_service.handlers import TierAssessor
from scoring_service.ports import GROUP
from scoring_service.settings import ScoringSettings
from scoring_service.store.feed import FeedWriter, PostgresFeed
from scoring_service.store.lost_events import report_lost
from scoring_service.store.next_generations import OLDEST
from scoring_service.store.purging import WAYS
from scoring_service.store.reads import PostgresTiers
from scoring_service.store.rulebooks import RegisteredRulebooks, register_rulebook
from scoring_service.store.status import ScoringStatus
from scoring_service.store.stores import PostgresStores
from scoring_service.store.sweep_progress import SweepProgress

SWEEP_PROGRESS = SweepProgress(GROUP, topics.CLIENT_ACTIVITY.name)
TIMED = partitions_of(topics.CLIENT_ACTIVITY)
NO_PRACTICE = (
    "scoring does not pause a practice: its tiers would no longer follow from the log. Pause the"
    " topic (time then stands still, for everybody), or pause the practice in outreach, so that"
    " nothing is sent."
)
OUTPUT = Output(
    source=translate.SOURCE, topics=[topics.TIER_CHANGES], event_id=event_id, head=event_head
)
PAUSABLE = Pausable(TOPICS, NO_PRACTICE)
AGAIN = (
    "nothing has to be sent again: all that scoring knows comes by the bus, and is read again by"
    " itself"
)


def rulebook_source(settings: ScoringSettings) -> Any:
    """The rulebook's JSON: the file that the settings name, else the built-in one.

    Raises SettingsError when the file is not JSON, or has a key twice in one object.
    """
    if settings.rulebook_path is not None:
        return read_json_file("RULEBOOK_PATH", settings.rulebook_path)
    built_in = resources.files("scoring_service") / "rulebooks" / "rfm.json"
    return json.loads(built_in.read_text(encoding="utf-8"))


def build_relay(database: Database, producer: Producer) -> Relay:
    """The relay that publishes tier changes and numbers them for the feed."""
    return Relay(
        database,
        producer,
        OUTPUT,
        watermarks=WatermarkSource(
            topic=topics.TIER_CHANGES.name,
            complete_through=SWEEP_PROGRESS.swept_through,
            record=lambda mark: translate.watermark(*mark),
        ),
        on_published=FeedWriter(topics.TIER_CHANGES.name, codec.practice_of).append,
    )


def build_consumer(
    database: Database, publish: Callable[[], object], source: Any
) -> ScoringConsumer:
    """A worker's handler by the rulebook in `source`, which it registers first; `publish` is called
    after each commit. Raises InvalidRulebook (`register_rulebook`)."""
    with database.transaction() as tx:
        rulebook = register_rulebook(tx, source)
    stores = PostgresStores(database, rulebook, SWEEP_PROGRESS, translate.tier_changed(rulebook))
    return ScoringConsumer(stores, rulebook, publish)


def build_api(settings: ScoringSettings) -> FastAPI:
    """The API, with the database role of the API."""
    database, probes = api_database(settings), probe_database(settings)
    registered = RegisteredRulebooks(probes, _own_rulebook(settings))
    service = Service(
        title="Rapport scoring",
        version=CONTRACTS_VERSION,
        description=(
            "A live tier for every client of a practice: which, since when, why, and when it will"
            " change if nothing happens. Tiers are internal; they never reach a client."
        ),
        tags={
            "tiers": "The tier of one client, of many, by tier; a client's history.",
            "tier-changes": "Tier changes as they were published, by page or as a stream.",
        },
        keys=keys.ApiKeys(probes, KeyLog(GROUP, topics.KEYS.name)),
        cursor_key=settings.cursor_key,
        checks={"database": probes.ping, "age": age_check(probes)},
        refresh=[DatabaseGauges(probes, GROUP), GenerationAge(probes, GROUP, OLDEST)],
        max_body_bytes=settings.max_body_bytes,
        events=asyncapi.document(),
        streams=Streams(settings.max_streams),
        failed_keys_per_minute=settings.failed_keys_per_minute,
        places=PlaceLimits(places=settings.api_connections),
        calls_per_second=settings.calls_per_second,
        closing=[registered.close, database.close, probes.close],
    )
    feed = PostgresFeed(database, topics.TIER_CHANGES.partitions)
    routers = [
        tier_router(PostgresTiers(database, SWEEP_PROGRESS), feed, TierAssessor(registered)),
        feed_router(feed),
        me_router(),
        status_router(_status(settings, database)),
        dead_letter_router(
            database, LetterOrigin(topics.CLIENT_ACTIVITY.name, GROUP), settings.record_keyring
        ),
        pauses_router(database, PAUSABLE),
    ]
    return create_app(service, routers)


def _own_rulebook(settings: ScoringSettings) -> Rulebook:
    try:
        return parse_rulebook(rulebook_source(settings))
    except InvalidRulebook as error:
        raise _not_this_rulebook(error) from None


def _not_this_rulebook(error: InvalidRulebook) -> SettingsError:
    return SettingsError(f"scoring-service cannot start: {PREFIX}RULEBOOK_PATH: {error}")


def _status(settings: ScoringSettings, database: Database) -> ScoringStatus:
    runtime_status = DatabaseStatus(
        database, settings.service, GROUP, timed=TIMED, by="swept_through"
    )
    return ScoringStatus(database, runtime_status, group=GROUP, topic=topics.CLIENT_ACTIVITY.name)


def build_worker(
    settings: ScoringSettings, database: Database, producer: Producer
) -> tuple[ScoringConsumer, Job]:
    """The handler that folds activities and lets time pass, and its job."""
    publish = build_relay(database, producer).drain
    try:
        handler = build_consumer(database, publish, rulebook_source(settings))
    except InvalidRulebook as error:
        raise _not_this_rulebook(error) from None
    return handler, Job(group=GROUP, topics=TOPICS)


COMMANDS = commands(
    ScoringSettings,
    "scoring_service",
    api=build_api,
    worker=build_worker,
    topics=topics.TOPICS,
    handles=Handles(
        pausable=PAUSABLE,
        output=OUTPUT,
        after_restore=AfterRestore(reads=Input(GROUP, TOPICS), again=AGAIN, report=report_lost),
        ways=WAYS,
        scopes=scopes_of("scoring-service"),
    ),
)
