"""The options of a stack, and the environment of each of its processes."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rapport_devkit.databases import SERVICES, ServiceDatabase
from rapport_devkit.sandbox.credentials import (
    ALIYUN_KEY_ID,
    ALIYUN_KEY_SECRET,
    ALIYUN_SIGN_NAME,
    WECHAT_APPID,
    WECHAT_SECRET,
)

Environment = Mapping[str, str]

_HEARTBEATS_A_SESSION = 5


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """How to start Rapport.

    `folder` is for the logs, and for the data of servers that the stack starts itself. `services`:
    all three, or fewer. `workers`: how many of each service at the start. `restart_on_exit`:
    whether workers are restarted after every exit, also after SIGKILL. `playbook` and `rulebook`
    are JSON files, default the services' own. `environment` is added for every process of a
    service, `service_environment` for those of one service only; both override what the stack sets.
    `topic_prefix` and `database_prefix` keep stacks on the same servers apart. `jars`: the cache of
    Kafka's jars, default `.local/kafka/jars`. `durable=False`: Postgres without fsync.
    """

    folder: Path
    services: tuple[str, ...] = SERVICES
    workers: int = 1
    restart_on_exit: bool = False
    durable: bool = True
    jars: Path | None = None
    topic_prefix: str = ""
    database_prefix: str = ""
    session_timeout_ms: int = 15_000
    simulated_clock: bool = True
    playbook: Path | None = None
    rulebook: Path | None = None
    sandbox_arguments: tuple[str, ...] = ()
    ready_seconds: float = 60.0
    environment: Environment = field(default_factory=dict)
    service_environment: Mapping[str, Environment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a service that does not exist."""
        unknown = set(self.services) - set(SERVICES)
        if unknown:
            raise ValueError(f"no such service: {', '.join(sorted(unknown))}")


@dataclass(frozen=True, kw_only=True)
class SandboxPorts:
    """The ports of the provider sandbox on loopback."""

    http: int
    smtp: int

    @property
    def url(self) -> str:
        """The address of its HTTP providers and its delivery log."""
        return f"http://127.0.0.1:{self.http}"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the servers have given when they run; the services' environments are made from it."""

    bootstrap: str
    databases: Mapping[str, ServiceDatabase]
    urls: Mapping[str, str]
    sandbox: SandboxPorts
    contact_keys: Environment


def new_contact_keys() -> Environment:
    """New keys for contact details at rest, for as long as the stack's databases."""
    sealing, index = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    return {
        "RAPPORT_CONTACT_KEYS": json.dumps({"k1": sealing}),
        "RAPPORT_CONTACT_ACTIVE_KEY": "k1",
        "RAPPORT_CONTACT_INDEX_KEY": index,
    }


def service_environment(options: StackOptions, around: Surroundings, service: str) -> Environment:
    """The environment of every process of one service, without the database's address."""
    environment = {
        "RAPPORT_ENVIRONMENT": "development",
        "RAPPORT_SIMULATED_CLOCK": str(options.simulated_clock).lower(),
        "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": around.bootstrap,
        "RAPPORT_TOPIC_PREFIX": options.topic_prefix,
        "RAPPORT_SESSION_TIMEOUT_MS": str(options.session_timeout_ms),
        "RAPPORT_HEARTBEAT_INTERVAL_MS": str(options.session_timeout_ms // _HEARTBEATS_A_SESSION),
    }
    if service == "scoring" and options.rulebook is not None:
        environment["RAPPORT_RULEBOOK_PATH"] = str(options.rulebook)
    if service == "outreach":
        environment |= _outreach(options, around)
    own = options.service_environment.get(service, {})
    return {**environment, **options.environment, **own}


def _outreach(options: StackOptions, around: Surroundings) -> dict[str, str]:
    """The environment by which outreach sends to the sandbox, with the sandbox's accounts."""
    environment = {
        "RAPPORT_SENDING": "on",
        "RAPPORT_PATIENCE": "sandbox",
        "RAPPORT_SMTP_HOST": "127.0.0.1",
        "RAPPORT_SMTP_SECURITY": "plain",
        "RAPPORT_SMTP_SENDER": "care@practice.example",
        "RAPPORT_SMTP_PORT": str(around.sandbox.smtp),
        "RAPPORT_WECHAT_BASE_URL": around.sandbox.url,
        "RAPPORT_WECHAT_APPID": WECHAT_APPID,
        "RAPPORT_WECHAT_SECRET": WECHAT_SECRET,
        "RAPPORT_ALIYUN_BASE_URL": around.sandbox.url,
        "RAPPORT_ALIYUN_ACCESS_KEY_ID": ALIYUN_KEY_ID,
        "RAPPORT_ALIYUN_ACCESS_KEY_SECRET": ALIYUN_KEY_SECRET,
        "RAPPORT_ALIYUN_SIGN_NAME": ALIYUN_SIGN_NAME,
        **around.contact_keys,
        "RAPPORT_PUBLIC_URL": around.urls["outreach"],
    }
    if options.playbook is not None:
        environment["RAPPORT_PLAYBOOK_PATH"] = str(options.playbook)
    return environment
