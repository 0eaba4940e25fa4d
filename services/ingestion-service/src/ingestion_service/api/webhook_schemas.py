"""The bodies and answers of webhooks, of trying a mapping, and of signing."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr

from ingestion_service.api.schemas import NAMESPACE, WireModel
from rapport_adapters.mapping.document import MappingDocument
from rapport_adapters.settings import Secret
from rapport_contracts.examples import examples_of

EXAMPLE_ADDRESS: Final = "6c1f0a52b3d94e87_example-of-an-address-that-opens-no-webhook"
_SETTLED: Final = next(iter(examples_of("rapport.payment.settled.v1").values()))
AdapterName = Literal["calcom", "mapping", "stripe", "wechat_pay"]


class WebhookBody(WireModel):
    """How a source's webhooks are verified and read. It replaces what was declared before."""

    adapter: AdapterName
    settings: dict[str, Any] = Field(
        description="What the adapter needs: secrets, zone, a mapping and so"
        " on. It is sealed, and never shown again.",
        examples=[{"secrets": ["of-the-webhook-at-its-system"]}],
    )
    new_address: bool = Field(
        default=False,
        strict=True,
        description="true: the webhook has another address from now on, and the old one ends.",
    )


class WebhookAnswer(WireModel):
    """A source that takes webhooks."""

    source: str = Field(examples=[NAMESPACE])
    adapter: AdapterName
    path: str | None = Field(
        description="Where the system sends its webhooks: a path of this service. It is secret, and"
        " is shown this one time; null: it is the one of before.",
        examples=[f"/v1/webhooks/{EXAMPLE_ADDRESS}"],
    )


class TryBody(WireModel):
    """A sample of what a system sends, and the mapping to try on it."""

    sample: Any = Field(
        description="A body as the system sends it: as JSON, or as a text that holds it exactly.",
        examples=[{"id": "p-1", "who": "c-17", "sum": "480.00", "paid": "2026-05-12 10:20"}],
    )
    mapping: MappingDocument | None = Field(
        default=None, description="null: as the source's webhooks are read now.", examples=[None]
    )


class TryProblem(WireModel):
    """Why a part of the sample does not become an event."""

    field: str = Field(description="A JSON pointer into the sample.", examples=["/sum"])
    mapping: str | None = Field(
        description="A JSON pointer into the mapping; null without one.",
        examples=["/values/amount_minor"],
    )
    reason: str = Field(examples=["is missing"])
    way_out: str = Field(examples=["Change the mapping, or what the system sends."])


class TryAnswer(WireModel):
    """What the sample becomes; nothing was stored. With problems a webhook is refused whole."""

    events: list[dict[str, Any]] = Field(
        description="CloudEvents, as they would be accepted.", examples=[[_SETTLED]]
    )
    nothing_because: str | None = Field(
        description="Why there are no events, and no problems; else null.", examples=[None]
    )
    problems: list[TryProblem]


class SigningBody(WireModel):
    """The secrets of a source that signs what it sends."""

    secrets: Annotated[
        list[Annotated[Secret, Field(min_length=16, max_length=200)]],
        Field(min_length=1, max_length=2),
    ] = Field(
        description="At least 16 characters; two while the secret is changed.",
        examples=[["a-long-secret-of-the-desk"]],
    )

    def plain(self) -> list[str]:
        """The secrets themselves."""
        return [SecretStr.get_secret_value(secret) for secret in self.secrets]
