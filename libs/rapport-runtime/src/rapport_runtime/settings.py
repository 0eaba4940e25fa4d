"""The environment variables of every service: names, defaults and limits."""

import base64
import hashlib
from typing import ClassVar, Literal, Self, get_args

from pydantic import Field, FilePath, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rapport_runtime.callers import proxy_spellings
from rapport_runtime.in_clear import brokers_stay_here, database_in_clear
from rapport_runtime.sealing import Keyring

PREFIX = "RAPPORT_"
_SESSION_PARTS = 3
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LOG_LEVELS: frozenset[str] = frozenset(get_args(LogLevel))


class SettingsError(Exception):
    """A variable is missing or has a value that it may not have; the text names each."""


class ServiceSettings(BaseSettings):
    """The variables that all services share; a service's own settings subclass it.

    A subclass sets `service`. Secrets are `SecretStr`, so that no repr shows them, and errors
    never quote the value that was found. Durations end in their unit.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    service: ClassVar[str]

    environment: Literal["development", "production"] = "production"
    database_url: SecretStr
    database_in_clear: bool = Field(
        default=False, description="in production: Postgres on another host may go without TLS"
    )
    kafka_bootstrap_servers: str = Field(min_length=1)
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="SASL_… also needs mechanism, username and password; in production it must be"
        " given, unless the brokers are on this host",
    )
    kafka_ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of the authorities that sign the brokers; without: the system's",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    topic_prefix: str = Field(default="", pattern=r"^[a-zA-Z0-9._-]{0,100}$")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    worker_port: int = Field(default=0, ge=0, le=65535, description="probes; 0 = a free port")
    log_level: LogLevel = "INFO"

    session_timeout_ms: int = Field(default=15_000, ge=1_000)
    heartbeat_interval_ms: int = Field(default=3_000, ge=100)
    max_poll_interval_ms: int = Field(default=120_000, ge=1_000)
    max_poll_records: int = Field(default=10_000, ge=1)
    fetch_max_wait_ms: int = Field(default=200, ge=10, le=500)

    simulated_clock: bool = False
    max_body_bytes: int = Field(
        default=1024 * 1024, ge=1024, description="a longer body is refused unread"
    )
    failed_keys_per_minute: int = Field(
        default=60, ge=1, description="tried by one address; past that it waits"
    )
    trusted_proxies: str = Field(
        default="",
        description="addresses and networks of your own proxies, with commas: whom they name in"
        " X-Forwarded-For is the caller",
    )
    api_connections: int = Field(
        default=10, ge=2, description="to the database for requests of one API process"
    )
    api_statement_ms: int = Field(default=10_000, ge=100, description="the longest for a request")
    calls_per_second: int = Field(
        default=500, ge=1, description="of one practice, to one API process"
    )
    cursor_secret: SecretStr | None = Field(
        default=None,
        description="signs cursors, the same in every process of a service; an API needs it in"
        " production",
    )
    record_keys: dict[str, SecretStr] | None = Field(
        default=None,
        description="JSON of key ids and base64 of 32 bytes: they seal the records that wait here",
    )
    record_active_key: str | None = Field(default=None, description="the id of the key that seals")

    retention_path: FilePath | None = Field(
        default=None, description="a deployment's own terms; without: those of the package"
    )

    dead_letter_max_ratio: float = Field(default=0.2, gt=0, le=1)
    dead_letter_min_sample: int = Field(default=100, ge=1)
    dead_letter_max_consecutive: int = Field(default=50, ge=1)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment; raises `SettingsError` that names every variable at fault."""
        try:
            return cls()  # type: ignore[call-arg]  # the environment holds them
        except ValidationError as error:
            raise SettingsError(_explain(cls.service, error)) from None

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_named(cls, value: str) -> str:
        named = "are addresses and networks such as 10.1.0.5 or 10.2.0.0/24, not all there are"
        try:
            for proxy in _split(value):
                proxy_spellings(proxy)
        except ValueError:
            raise ValueError(named) from None
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.simulated_clock and self.environment != "development":
            raise ValueError(
                f"{PREFIX}SIMULATED_CLOCK needs {PREFIX}ENVIRONMENT=development:"
                " real clients are not moved through invented time"
            )
        if self.heartbeat_interval_ms * _SESSION_PARTS > self.session_timeout_ms:
            raise ValueError(
                f"{PREFIX}HEARTBEAT_INTERVAL_MS may be a third of {PREFIX}SESSION_TIMEOUT_MS"
                " at most: two heartbeats must be allowed to be lost"
            )
        return self

    @model_validator(mode="after")
    def _kafka_fits_together(self) -> Self:
        """A log-in is complete or absent, and no variable is set that would be ignored: an operator
        who sets a password or a CA does not mean to speak in clear (S19)."""
        protocol = self.kafka_security_protocol
        given = {
            "KAFKA_SASL_MECHANISM": bool(self.kafka_sasl_mechanism),
            "KAFKA_SASL_USERNAME": bool(self.kafka_sasl_username),
            "KAFKA_SASL_PASSWORD": bool(self.kafka_sasl_password),
        }
        logs_in = protocol.startswith("SASL_")
        wrong = [f"{PREFIX}{name}" for name, is_given in given.items() if is_given is not logs_in]
        if not protocol.endswith("SSL") and self.kafka_ca_file:
            raise ValueError(
                f"{PREFIX}KAFKA_CA_FILE is of no use with"
                f" {PREFIX}KAFKA_SECURITY_PROTOCOL={protocol}"
            )
        if wrong:
            verb = "needs" if logs_in else "has no use for"
            raise ValueError(
                f"{PREFIX}KAFKA_SECURITY_PROTOCOL={protocol} {verb} {', '.join(wrong)}"
            )
        return self

    @model_validator(mode="after")
    def _nothing_leaves_in_clear(self) -> Self:
        """In production what leaves this host is encrypted, unless the operator has said by name
        that it need not be."""
        if self.environment != "production":
            return self
        url = self.database_url.get_secret_value()
        if not self.database_in_clear and database_in_clear(url):
            raise ValueError(
                f"{PREFIX}DATABASE_URL leads to another host without TLS: add ?sslmode=verify-full,"
                f" or say {PREFIX}DATABASE_IN_CLEAR=true where nobody listens"
            )
        is_chosen = "kafka_security_protocol" in self.model_fields_set
        if not is_chosen and not brokers_stay_here(self.kafka_bootstrap_servers):
            raise ValueError(
                f"{PREFIX}KAFKA_SECURITY_PROTOCOL is not given: SSL or SASL_SSL, or PLAINTEXT"
                " where nobody listens"
            )
        return self

    @model_validator(mode="after")
    def _record_keys_are_whole(self) -> Self:
        if (self.record_keys is None) is not (self.record_active_key is None):
            raise ValueError(f"{PREFIX}RECORD_KEYS and {PREFIX}RECORD_ACTIVE_KEY go together")
        if self.record_keys is not None:
            _ = self.record_keyring
        return self

    @property
    def record_keyring(self) -> Keyring:
        """The keys of records at rest. Development has one that everybody knows; in production
        raises `SettingsError` when they are missing, which only api, worker and the commands that
        open records need."""
        if self.record_keys is None or self.record_active_key is None:
            if self.environment == "production":
                missing = f"{PREFIX}RECORD_KEYS is missing; {PREFIX}RECORD_ACTIVE_KEY is missing"
                raise SettingsError(f"{self.service} cannot start: {missing}")
            known = hashlib.sha256(b"rapport development").digest()
            return Keyring({"development": base64.b64encode(known).decode()}, active="development")
        keys = {name: key.get_secret_value() for name, key in self.record_keys.items()}
        return Keyring(keys, active=self.record_active_key)

    @property
    def proxies(self) -> list[str]:
        """The networks of the proxies whose word is taken, in each spelling; none by default."""
        return [each for proxy in _split(self.trusted_proxies) for each in proxy_spellings(proxy)]

    @property
    def idle_in_transaction_ms(self) -> int:
        """The longest that a worker may be frozen inside a transaction, in milliseconds.

        Two thirds of the session timeout: Postgres frees the row locks of a frozen worker before
        its partitions pass to another (R3).
        """
        return self.session_timeout_ms * 2 // _SESSION_PARTS

    @property
    def cursor_key(self) -> bytes:
        """The 32-byte key that signs page cursors and hashes what is hidden of dead letters, the
        same in every process of the service, whatever its role's password.

        Without `cursor_secret` it follows in development from the service's name alone, and raises
        SettingsError in production.
        """
        if self.cursor_secret is None and self.environment == "production":
            raise SettingsError(
                f"{self.service} cannot start: {PREFIX}CURSOR_SECRET is missing; cursors hang on it"
            )
        secret = self.cursor_secret.get_secret_value() if self.cursor_secret else "development"
        return hashlib.sha256(f"rapport cursor {self.service} {secret}".encode()).digest()


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _explain(service: str, error: ValidationError) -> str:
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        name = "_".join(str(part) for part in fault["loc"]).upper()
        if fault["type"] == "missing":
            lines.append(f"{PREFIX}{name} is missing")
        elif name:
            lines.append(f"{PREFIX}{name}: {fault['msg']}")
        else:
            lines.append(fault["msg"].removeprefix("Value error, "))
    return f"{service} cannot start: " + "; ".join(lines)
