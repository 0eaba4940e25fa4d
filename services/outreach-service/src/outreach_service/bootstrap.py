"""Builds outreach from its parts; the only module that imports all of them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Connection

from outreach_service import translate
from outreach_service.api.routes import ApiParts, api_routers
from outreach_service.builtin import builtin_catalogue, builtin_playbook
from outreach_service.consumers import TOPICS, OutreachConsumer
from outreach_service.contacts import zones_of_number
from outreach_service.dispatcher import Dispatcher, OutboundQueue
from outreach_service.documents.playbooks import (
    read_known_play,
    read_known_playbook,
    read_usable_playbook,
)
from outreach_service.domain.consents import Subscription, WayOut
from outreach_service.domain.faults import InvalidDocument
from outreach_service.domain.messages import DEFAULT_RETRIES, SANDBOX_RETRIES
from outreach_service.domain.rules import DEFAULT_RULES, Rules
from outreach_service.domain.terms import Channel
from outreach_service.handlers.opening import DispatchOptions
from outreach_service.handlers.previews import Previews
from outreach_service.importing.command import import_contacts
from outreach_service.lifting import lift_command
from outreach_service.ports import GROUP, ChannelSetup, Provider
from outreach_service.ports.records import ClaimedMessage
from outreach_service.providers.acs3 import AccessKey
from outreach_service.providers.aliyun_sms import AliyunAccount, AliyunSms
from outreach_service.providers.console import ConsoleProvider
from outreach_service.providers.smtp import Smtp, SmtpAccount
from outreach_service.providers.web import http_client
from outreach_service.providers.wechat import WeChat, WeChatAccount
from outreach_service.rendering import Composer, render
from outreach_service.sealing import ContactKeyring
from outreach_service.settings import OutreachSettings
from outreach_service.store.channels import ClosedChannels, PostgresChannels
from outreach_service.store.contact_cipher import KeyringCipher
from outreach_service.store.fence import fence_off
from outreach_service.store.generations import OLDEST
from outreach_service.store.lost_events import report_lost
from outreach_service.store.messages import PostgresMessages
from outreach_service.store.permits import Rate, set_up
from outreach_service.store.purging import WAYS
from outreach_service.store.resealing import reseal
from outreach_service.store.status import OutreachStatus, UnknownMessages, knows_practice
from outreach_service.store.stores import PostgresStore, PostgresStores
from outreach_service.store.tokens import PostgresTokens
from outreach_service.unsubscribe import unsubscribe_key, unsubscribe_url
from rapport_contracts import asyncapi, topics
from rapport_contracts.asyncapi import VERSION as CONTRACTS_VERSION
from rapport_contracts.heads import event_head, event_id
from rapport_contracts.scopes import scopes_of
from rapport_runtime.bus.port import Producer
from rapport_runtime.cli import Handles, commands
from rapport_runtime.connections import api_database, probe_database, worker_database
from rapport_runtime.database import Database
from rapport_runtime.http.app import Service, create_app
from rapport_runtime.http.me import me_router
from rapport_runtime.http.places import PlaceLimits
from rapport_runtime.json_files import read_json_file
from rapport_runtime.ops import keys
from rapport_runtime.ops.gauges import DatabaseGauges
from rapport_runtime.ops.generation_age import GenerationAge
from rapport_runtime.ops.incarnation import age_check
from rapport_runtime.ops.operators import print_lines
from rapport_runtime.ops.pause_routes import pauses_router
from rapport_runtime.ops.pauses import Pausable
from rapport_runtime.ops.shared_keys import KeyLog
from rapport_runtime.ops.status import DatabaseStatus
from rapport_runtime.ops.status_routes import status_router
from rapport_runtime.settings import PREFIX, SettingsError
from rapport_runtime.stream.dead_letters.resealing import reseal_letters, reseal_parser
from rapport_runtime.stream.dead_letters.routes import LetterOrigin, dead_letter_router
from rapport_runtime.stream.output import Output
from rapport_runtime.stream.process import Job
from rapport_runtime.stream.relay import Relay
from rapport_runtime.stream.restored import AfterRestore
from rapport_runtime.stream.strays import Input
from rapport_runtime.topics import partitions_of

PAUSABLE = Pausable(TOPICS, knows_practice)
AGAIN = (
    "enter again the consents, withdrawals, contacts and playbooks of that interval, which no topic"
    " holds; what came by the bus is read again by itself"
)
OUTPUT = Output(
    source=translate.SOURCE, topics=[topics.OUTREACH_EVENTS], event_id=event_id, head=event_head
)


def playbook_source(settings: OutreachSettings) -> Any:
    """The deployment's playbook, checked: the file that the settings name, else the built-in one.

    Raises SettingsError with every fault of the file.
    """
    path = settings.playbook_path
    document = read_json_file("PLAYBOOK_PATH", path) if path else builtin_playbook()
    try:
        read_usable_playbook(document, builtin_catalogue())
    except InvalidDocument as invalid:
        source = f"{PREFIX}PLAYBOOK_PATH={path}" if path else "the built-in playbook"
        raise SettingsError(f"{source} cannot be used:\n{invalid}") from None
    return document


def build_relay(database: Database, producer: Producer) -> Relay:
    """The relay of messages' events."""
    return Relay(
        database,
        producer,
        OUTPUT,
    )


def build_stores(database: Database, *, simulated: bool) -> PostgresStores:
    """The stores of the use cases."""
    return PostgresStores(database, read_known_play, translate.message_changed, simulated=simulated)


def build_consumer(
    stores: PostgresStores, playbook: Any, publish: Callable[[], object], wakeup: threading.Event
) -> OutreachConsumer:
    """The handler of a worker; once it has committed something, it calls `publish` and sets
    `wakeup`."""
    return OutreachConsumer(stores, read_known_playbook, playbook, publish, wakeup.set)


def build_dispatcher(
    settings: OutreachSettings, database: Database, wakeup: threading.Event
) -> Callable[[threading.Event], None]:
    """The sending loop of a worker, with the rates of the channels set up; it looks for due
    messages at once when `wakeup` is set."""
    keyring = build_keyring(settings)
    with database.transaction() as tx:
        set_up(tx, _rates(settings))
    compose = Composer(builtin_catalogue(), _unsubscribe_url(settings))
    queue = OutboundQueue(
        build_stores(database, simulated=settings.simulated_clock),
        KeyringCipher(keyring),
        SANDBOX_RETRIES if settings.patience == "sandbox" else DEFAULT_RETRIES,
        DispatchOptions(
            lease_seconds=settings.lease_seconds,
            rules=build_rules(settings),
            compose=compose,
            zones_of_number=zones_of_number,
        ),
    )
    providers = build_providers(settings, PostgresTokens(database, keyring))
    return Dispatcher(queue, providers, compose, wakeup).run


def build_rules(settings: OutreachSettings) -> Rules:
    """The rules by which the gates decide in this deployment."""
    return replace(
        DEFAULT_RULES,
        closed=settings.closed,
        without_way_out=settings.without_way_out,
        asks_discreet_name=settings.sending == "on",
    )


def build_keyring(settings: OutreachSettings) -> ContactKeyring:
    """The keys of contact details. Raises InvalidKeys."""
    return ContactKeyring(
        {name: key.get_secret_value() for name, key in settings.contact_keys.items()},
        active=settings.contact_active_key,
        index_key=settings.contact_index_key.get_secret_value(),
    )


def build_providers(
    settings: OutreachSettings, tokens: PostgresTokens
) -> Mapping[Channel, Provider]:
    """One provider for each channel: the console for all of them while sending is off, and for a
    channel without an account, which the gates keep closed."""
    providers: dict[Channel, Provider] = dict.fromkeys(Channel, ConsoleProvider())
    if settings.sending == "off":
        return providers
    client = http_client()
    if settings.smtp_host:
        providers[Channel.EMAIL] = Smtp(_smtp_account(settings), _now)
    if settings.wechat_base_url:
        wechat = WeChatAccount(
            settings.wechat_base_url,
            settings.wechat_appid,
            settings.wechat_secret.get_secret_value(),
        )
        providers[Channel.WECHAT] = WeChat(client, wechat, tokens, _now)
    if settings.aliyun_base_url:
        key = AccessKey(
            settings.aliyun_access_key_id, settings.aliyun_access_key_secret.get_secret_value()
        )
        sms = AliyunAccount(
            settings.aliyun_base_url,
            key,
            settings.aliyun_sign_name,
            settings.sms_serves or frozenset(),
        )
        providers[Channel.SMS] = AliyunSms(client, sms, _now)
    return providers


def build_api(settings: OutreachSettings) -> FastAPI:
    """The app, on the API's role."""
    database, probes = api_database(settings), probe_database(settings)
    service = Service(
        title="Rapport outreach",
        version=CONTRACTS_VERSION,
        description=(
            "Paces what follows a tier change: messages by WeChat, SMS and e-mail, within consent,"
            " quiet hours, caps and provider limits; and says of each why it went or did not."
        ),
        tags={
            "clients": "How clients can be reached, what they consented to, and who has read it.",
            "messages": "Each message's state and reason, and what staff may decide.",
            "playbook": "What follows from a tier change.",
            "channels": "Whether each channel sends, and how fast it may.",
            "unsubscribe": "The link that every e-mail carries.",
        },
        keys=keys.ApiKeys(probes, KeyLog(GROUP, topics.KEYS.name)),
        cursor_key=settings.cursor_key,
        checks={"database": probes.ping, "age": age_check(probes)},
        refresh=[
            DatabaseGauges(probes, GROUP),
            UnknownMessages(probes),
            ClosedChannels(probes),
            GenerationAge(probes, GROUP, OLDEST),
        ],
        max_body_bytes=settings.max_body_bytes,
        events=asyncapi.document(),
        failed_keys_per_minute=settings.failed_keys_per_minute,
        places=PlaceLimits(places=settings.api_connections),
        calls_per_second=settings.calls_per_second,
        closing=[database.close, probes.close],
    )
    timed = partitions_of(topics.CLIENT_ACTIVITY, topics.TIER_CHANGES)
    runtime_status = DatabaseStatus(database, settings.service, GROUP, timed=timed)
    routers = [
        *api_routers(_api_parts(settings, database)),
        me_router(),
        status_router(OutreachStatus(database, runtime_status)),
        dead_letter_router(
            database, LetterOrigin(topics.CLIENT_ACTIVITY.name, GROUP), settings.record_keyring
        ),
        pauses_router(database, PAUSABLE),
    ]
    return create_app(service, routers)


def _api_parts(settings: OutreachSettings, database: Database) -> ApiParts:
    cipher, catalogue = KeyringCipher(build_keyring(settings)), builtin_catalogue()
    return ApiParts(
        messages=PostgresMessages(database, read_known_play),
        stores=build_stores(database, simulated=settings.simulated_clock),
        cipher=cipher,
        previews=Previews(
            cipher,
            catalogue,
            render,
            settings.public_url,
            settings.closed,
            settings.without_way_out,
        ),
        default_playbook=playbook_source(settings),
        channels=PostgresChannels(database, _channel_setups(settings)),
        catalogue=catalogue,
        unsubscribe_key=unsubscribe_key(settings.contact_index_key.get_secret_value()),
        sms_serves=settings.sms_serves,
    )


def _channel_setups(settings: OutreachSettings) -> list[ChannelSetup]:
    return [
        ChannelSetup(
            channel,
            is_configured=bool(address),
            is_sending=bool(address) and settings.sending == "on",
            is_closed=channel in settings.closed,
        )
        for channel, address in settings.addresses.items()
    ]


def _smtp_account(settings: OutreachSettings) -> SmtpAccount:
    password = settings.smtp_password
    return SmtpAccount(
        host=settings.smtp_host or "",
        port=settings.smtp_port,
        sender_address=settings.smtp_sender,
        sender_name=settings.smtp_sender_name,
        use_tls=settings.smtp_security == "tls",
        start_tls=settings.smtp_security == "starttls",
        username=settings.smtp_username,
        password=password.get_secret_value() if password else None,
    )


def _rates(settings: OutreachSettings) -> Mapping[Channel, Rate]:
    return {
        Channel.EMAIL: Rate(settings.smtp_per_second, settings.smtp_burst),
        Channel.WECHAT: Rate(settings.wechat_per_second, settings.wechat_burst),
        Channel.SMS: Rate(settings.aliyun_per_second, settings.aliyun_burst),
    }


def _unsubscribe_url(settings: OutreachSettings) -> Callable[[ClaimedMessage], str]:
    key = unsubscribe_key(settings.contact_index_key.get_secret_value())

    def url(claimed: ClaimedMessage) -> str:
        return unsubscribe_url(settings.public_url, key, _way_out(claimed))

    return url


def _way_out(claimed: ClaimedMessage) -> WayOut:
    subscription = Subscription(
        claimed.practice_id, claimed.client_id, claimed.channel, claimed.purpose
    )
    return WayOut(subscription, claimed.contact_index)


def _now() -> datetime:
    """The real time, for providers' signatures and tokens; no tier depends on it."""
    return datetime.now(UTC)  # noqa: TID251


def build_worker(
    settings: OutreachSettings, database: Database, producer: Producer
) -> tuple[OutreachConsumer, Job]:
    """The handler that plans messages, and its job, with the sending loop beside it."""
    wakeup, publish = threading.Event(), build_relay(database, producer).drain
    stores = build_stores(database, simulated=settings.simulated_clock)
    handler = build_consumer(stores, playbook_source(settings), publish, wakeup)
    job = Job(group=GROUP, topics=TOPICS, side_task=build_dispatcher(settings, database, wakeup))
    return handler, job


def reseal_all(argv: Sequence[str]) -> int:
    """The command `reseal`, on the worker's address; 1 while there is what no key opens."""
    reseal_parser("contact details and dead letters").parse_args(argv)
    settings = OutreachSettings.from_environment()
    record_keyring, database = settings.record_keyring, worker_database(settings)
    try:
        done = reseal(database, build_keyring(settings))
        letters = reseal_letters(database, record_keyring)
    finally:
        database.close()
    told = f"{done.sealed} sealed again, {done.unreadable} that no key opens"
    print_lines([told, str(letters)])
    return 1 if done.unreadable or letters.left else 0


def _store_of_command(tx: Connection) -> PostgresStore:
    """The store of a command that needs no business time."""
    return PostgresStore(tx, read_known_play, translate.message_changed, simulated=False)


COMMANDS = {
    **commands(
        OutreachSettings,
        "outreach_service",
        api=build_api,
        worker=build_worker,
        topics=topics.TOPICS,
        handles=Handles(
            pausable=PAUSABLE,
            output=OUTPUT,
            after_restore=AfterRestore(
                reads=Input(GROUP, TOPICS), again=AGAIN, report=report_lost, on_confirm=fence_off
            ),
            ways=WAYS,
            scopes=scopes_of("outreach-service"),
            own={"lift": lift_command(_store_of_command)},
        ),
    ),
    "reseal": reseal_all,
    "import-contacts": import_contacts,
}
