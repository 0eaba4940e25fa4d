"""The bodies and answers of `/v1/sources`."""

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from ingestion_service.api.schemas import NAMESPACE, WireModel
from rapport_contracts.values import Code, Currency, Name, Zone

ClientKeyKind = Literal["opaque", "personal"]


def _without_default(member: dict[str, Any]) -> None:
    """What is left out stays as it is stored."""
    member.pop("default", None)


class SourceBody(WireModel):
    """The source to declare or to change. What is left out stays as it is stored; of a new source
    it has the default that its description names."""

    title: Name = Field(description="For people.", examples=["Booking desk"])
    kind: Code = Field(
        description="What the system is for: booking, payment, crm, consult, desk, or a word of"
        " your own.",
        examples=["booking"],
    )
    namespace: Name | None = Field(
        default=None,
        description="Whose client ids its events speak: sources of one namespace mean the same"
        " client by the same id. Default, and null: the source's own name. It cannot change"
        " once something of the source is known.",
        examples=[NAMESPACE],
        json_schema_extra=_without_default,
    )
    client_key: ClientKeyKind = Field(
        default="opaque",
        description="What its client ids are. opaque (default): numbers or pseudonyms. personal:"
        " e-mail addresses or phone numbers; they are hashed before anything stores them. It"
        " cannot change once something of the source is known.",
        json_schema_extra=_without_default,
    )
    creates_clients: bool = Field(
        default=True,
        description="false: an event of a client whom nobody knows waits until `PUT /v1/clients`"
        " attaches that identity; so a payment that comes before its link makes no second client."
        " It cannot change once something of the source is known.",
        json_schema_extra=_without_default,
    )
    zone: Zone | None = Field(
        default=None,
        description="The zone of times without an offset in its files; default: the practice's.",
        examples=["Asia/Shanghai"],
        json_schema_extra=_without_default,
    )
    currency: Currency | None = Field(
        default=None,
        description="In which it tells amounts. A practice accepts its own currency alone.",
        examples=["CNY"],
        json_schema_extra=_without_default,
    )


class DeclaredSource(SourceBody):
    """A source as it is declared."""

    source: str = Field(examples=[NAMESPACE])
    fixed: bool = Field(
        description="Whether something of the source is known, so that `namespace`, `client_key`"
        " and `creates_clients` cannot change."
    )


class SourceAnswer(WireModel):
    """A source: as it is declared, and what it has sent."""

    source: str = Field(examples=["moon-gate-pay"])
    declared: DeclaredSource | None = Field(
        description="null: it is not declared, so what it sends waits."
    )
    events: int = Field(
        description="Accepted events, without duplicates and rejected ones.", examples=[412]
    )
    last_occurred_at: AwareDatetime | None = Field(description="null before the first one.")
    last_accepted_at: AwareDatetime | None = Field(description="null before the first one.")
    parked: int = Field(
        description="Events that wait for what they are about: the first event about their booking"
        " or payment that names a client, or a client for the identity that they name; or"
        " contradicted it, when it came.",
        examples=[0],
    )
    parked_since: AwareDatetime | None = Field(
        description="Since when the oldest of them waits.", examples=[None]
    )
    waiting: int = Field(
        description="Records that wait until the source is declared, or are being moved on since.",
        examples=[0],
    )
    waiting_since: AwareDatetime | None = Field(
        description="Since when they wait.", examples=[None]
    )


class SourcesAnswer(WireModel):
    """All sources of the practice, by name."""

    items: list[SourceAnswer]
