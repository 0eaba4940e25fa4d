"""Outreach's settings, read from the environment, besides those that every service has."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from outreach_service.contacts import InvalidContact, email
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.unsubscribe import is_public_https
from rapport_contracts.characters import holds_encoded_word
from rapport_contracts.discreet import telling_word
from rapport_runtime.in_clear import http_in_clear, stays_here
from rapport_runtime.settings import PREFIX, ServiceSettings

_UNLESS = f"or say {PREFIX}PROVIDERS_IN_CLEAR=true where nobody listens"


class OutreachSettings(ServiceSettings):
    """Sending is off unless it is switched on. Then a channel without an account is closed, and at
    least one channel must have an account. All practices of a deployment share its accounts.

    `contact_keys` maps key ids to base64 of 32 bytes and is given as JSON; `contact_active_key`
    is the id of the key that seals. `*_per_second` and `*_burst` are the provider's limits (F35).
    """

    service: ClassVar[str] = "outreach-service"

    sending: Literal["off", "on"] = "off"
    playbook_path: Path | None = None
    contact_keys: dict[str, SecretStr]
    contact_active_key: str
    contact_index_key: SecretStr
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        max_length=200,
        description="where this API is reached from outside, as https://care.practice.example: the"
        " links out in e-mails lead there",
    )
    lease_seconds: float = Field(
        default=600,
        ge=5,
        description="after which a claim counts as lost; longer than the provider's time-outs",
    )
    providers_in_clear: bool = Field(
        default=False, description="in production: providers on another host may go without TLS"
    )
    patience: Literal["provider", "sandbox"] = "provider"

    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_sender: str = Field(
        default="", description="the address that e-mail comes from, such as care@practice.example"
    )
    smtp_sender_name: str = Field(default="", description="the name beside that address")
    smtp_security: Literal["starttls", "tls", "plain"] = Field(
        default="starttls", description="plain: for a relay on the same host, and the sandbox"
    )
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_per_second: float = Field(default=20, gt=0)
    smtp_burst: float = Field(default=40, ge=1)

    wechat_base_url: str | None = None
    wechat_appid: str = ""
    wechat_secret: SecretStr = SecretStr("")
    wechat_per_second: float = Field(default=50, gt=0)
    wechat_burst: float = Field(default=100, ge=1)

    aliyun_base_url: str | None = None
    aliyun_access_key_id: str = ""
    aliyun_access_key_secret: SecretStr = SecretStr("")
    aliyun_sign_name: str = ""
    aliyun_serves: str = Field(
        default="CN",
        pattern=r"^[A-Z]{2}(,[A-Z]{2})*$",
        description="the countries to which the account may send, such as CN,HK; other numbers are"
        " refused",
    )
    aliyun_per_second: float = Field(default=50, gt=0)
    aliyun_burst: float = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _accounts_are_whole(self) -> Self:
        """Refuse an address without its account: the channel would fail at its first message."""
        account_fields = {
            "wechat_base_url": ("wechat_appid", "wechat_secret"),
            "aliyun_base_url": (
                *("aliyun_access_key_id", "aliyun_access_key_secret"),
                "aliyun_sign_name",
            ),
            "smtp_host": ("smtp_sender",),
            "smtp_username": ("smtp_password",),
        }
        for name, needs in account_fields.items():
            missing = [need for need in needs if not getattr(self, need)]
            if getattr(self, name) and missing:
                names = " and ".join(f"{PREFIX}{need.upper()}" for need in missing)
                raise ValueError(f"{PREFIX}{name.upper()} needs {names}")
        if self.sending == "on" and not any(self.addresses.values()):
            raise ValueError(f"{PREFIX}SENDING=on needs the account of a channel")
        return self

    @field_validator("smtp_sender")
    @classmethod
    def _is_an_address_alone(cls, value: str) -> str:
        """A name beside it, or a name alone, would end every e-mail. It has the one spelling of
        addresses, in ASCII: the envelope and each header take it as it is."""
        try:
            return email(value) if value else value
        except InvalidContact as invalid:
            raise ValueError(
                f"{invalid.problem}; the name goes into {PREFIX}SMTP_SENDER_NAME"
            ) from None

    @field_validator("smtp_sender_name")
    @classmethod
    def _is_a_name_of_one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("has characters that no header may hold")
        if holds_encoded_word(value):
            raise ValueError("has an encoded word: write the name in its own letters")
        return value

    @model_validator(mode="after")
    def _the_way_out_leads_here(self) -> Self:
        """In production no message goes without a link that whoever gets it can follow."""
        if self.environment != "production" or self.sending == "off":
            return self
        if not is_public_https(self.public_url):
            raise ValueError(
                f"{PREFIX}SENDING=on needs {PREFIX}PUBLIC_URL, this API's address from outside, as"
                " https://care.practice.example: without user, query and fragment, of ASCII (a"
                " domain of other scripts in its xn-- form), and no address of this host or of an"
                " inner network"
            )
        return self

    @model_validator(mode="after")
    def _senders_are_discreet(self) -> Self:
        """Whoever sees a message sees its sender and where its link leads (L15)."""
        if self.sending == "on":
            for name in ("smtp_sender", "smtp_sender_name", "aliyun_sign_name", "public_url"):
                if (word := telling_word(getattr(self, name))) is not None:
                    raise ValueError(
                        f"{PREFIX}{name.upper()} has {word!r}, which tells what clients come for"
                    )
        return self

    @model_validator(mode="after")
    def _nothing_goes_in_clear(self) -> Self:
        """In production messages and log-ins leave this host encrypted, unless the operator has
        said by name that they need not."""
        if self.environment != "production" or self.providers_in_clear:
            return self
        for name in ("wechat_base_url", "aliyun_base_url"):
            url = getattr(self, name)
            if url and http_in_clear(url):
                raise ValueError(f"{PREFIX}{name.upper()} must be https, {_UNLESS}")
        if self.smtp_security == "plain" and self.smtp_host and not stays_here([self.smtp_host]):
            raise ValueError(
                f"{PREFIX}SMTP_SECURITY=plain sends log-in and messages readably to another host:"
                f" starttls or tls, {_UNLESS}"
            )
        return self

    @property
    def addresses(self) -> Mapping[Channel, str | None]:
        """The address of each channel's provider; None for a channel without an account."""
        return {
            Channel.WECHAT: self.wechat_base_url,
            Channel.SMS: self.aliyun_base_url,
            Channel.EMAIL: self.smtp_host,
        }

    @property
    def sms_serves(self) -> frozenset[str] | None:
        """The countries to which SMS can be sent; None without an account, which refuses none."""
        return frozenset(self.aliyun_serves.split(",")) if self.aliyun_base_url else None

    @property
    def closed(self) -> frozenset[Channel]:
        """The channels without an account, while sending is on: messages take other routes."""
        if self.sending == "off":
            return frozenset()
        return frozenset(channel for channel, address in self.addresses.items() if not address)

    @property
    def without_way_out(self) -> frozenset[tuple[Channel, Purpose]]:
        """What is not sent: a promotional SMS says "reply R to refuse" (L10), and until replies are
        read nobody would hear it. While sending is off nothing leaves anyway."""
        return frozenset({(Channel.SMS, Purpose.MARKETING)} if self.sending == "on" else ())

    @model_validator(mode="after")
    def _sandbox_is_for_development(self) -> Self:
        if self.patience == "sandbox" and self.environment != "development":
            raise ValueError(f"{PREFIX}PATIENCE=sandbox needs {PREFIX}ENVIRONMENT=development")
        return self
