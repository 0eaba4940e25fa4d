"""The wire shapes of the scoring API."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, TypeAdapter

from rapport_contracts import schemas
from rapport_runtime.http.paging import Page
from scoring_service.domain.assess import NextTransition
from scoring_service.domain.explain import score_decimal
from scoring_service.domain.rulebook import Rulebook
from scoring_service.ports import ChangeRow, ClientTier, TierCount

EVENT_TYPE = "rapport.tier.changed.v1"
ClientId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_PLAIN = TypeAdapter(dict[str, Any])
Score = Annotated[Decimal, Field(description="0.00 to 100.00, two decimals.", examples=["72.50"])]


class Names(BaseModel):
    """A tier's labels; internal, never shown to a client (C-21)."""

    en: str = Field(examples=["Silver"])
    zh: str = Field(examples=["银牌"])


class ExplanationLine(BaseModel):
    """One line of why: what was looked at, what was found, what it earns, and until when."""

    line: str = Field(description="The rung of the rulebook.", examples=["recency.within_P3M"])
    input: str = Field(examples=["last_completed"])
    value: str = Field(examples=["1997-11-25"])
    points: int
    until: date | None = Field(description="The last local day on which it still earns this.")


class Cause(BaseModel):
    """Which line of the rulebook, over which input."""

    line: str
    input: str


class Coming(BaseModel):
    """What happens at `at`, the start of a local day, if nothing else does (F21)."""

    at: AwareDatetime
    from_tier: str
    to_tier: str
    direction: str
    because: Cause
    assumes: str
    rulebook_version: int


class TierAnswer(BaseModel):
    """A client's tier, why, and when it will change; all as of `as_of`.

    `inputs_complete` says whether activities are known to be missing; how far each source lags,
    which F50 also asks for, is not told yet.
    """

    client_id: str
    tier: str | None = Field(description="null until the first watermark has come.")
    tier_names: Names | None
    score: Score | None
    since: AwareDatetime | None = Field(description="When the last change took effect.")
    version: int = Field(description="The number of changes so far.")
    zone: str
    rulebook: str
    rulebook_version: int
    as_of: AwareDatetime | None = Field(description="All input up to here is in the answer.")
    inputs_complete: bool = Field(
        description="False while activities are known to be missing; the tier may then change."
    )
    explanation: list[ExplanationLine]
    next_transition: Coming | None

    @classmethod
    def of(cls, found: ClientTier, rulebook: Rulebook) -> "TierAnswer":
        """From the store's row and its assessment."""
        return cls.model_validate(_answer(found, rulebook))


def tier_json(found: ClientTier, rulebook: Rulebook) -> bytes:
    """The JSON of `TierAnswer.of`, without the models: they take longer than all the rest."""
    return _PLAIN.dump_json(_answer(found, rulebook))


def _answer(found: ClientTier, rulebook: Rulebook) -> dict[str, Any]:
    known = found.assessment
    coming = known and known.next_transition
    return {
        "client_id": found.client_id,
        "tier": known and known.tier,
        "tier_names": known and rulebook.tiers[rulebook.tier_named(known.tier)].names,
        "score": known and score_decimal(known.score),
        "since": found.since,
        "version": found.version,
        "zone": found.zone,
        "rulebook": rulebook.key,
        "rulebook_version": rulebook.version,
        "as_of": found.as_of,
        "inputs_complete": found.missing == 0,
        "explanation": [line._asdict() for line in known.explanation] if known else [],
        "next_transition": coming and _coming(coming),
    }


def _coming(coming: NextTransition) -> dict[str, Any]:
    said = coming._asdict()
    del said["on"]  # the local day whose first instant is `at`
    return {**said, "because": coming.because._asdict()}


class TierPage(Page[TierAnswer]):
    """Clients, and from where to follow what becomes of them."""

    changes_cursor: str = Field(
        description="Send it as `after` to `/v1/tier-changes`: whatever is not in this page's"
        " answers yet is behind it. Of several pages keep the first one's. A change whose version"
        " is not above an answer's is in that answer already."
    )


class Lookup(BaseModel):
    """Whose tiers to look up."""

    client_ids: list[ClientId] = Field(min_length=1, max_length=1000)


class LookupAnswer(BaseModel):
    """The tiers found, in the order asked; `unknown` are ids that this practice does not have."""

    items: list[TierAnswer]
    unknown: list[str]


class HistoryLine(BaseModel):
    """One change of tier; the list is append-only, `version` gapless."""

    version: int
    rulebook: str
    rulebook_version: int
    from_tier: str | None
    to_tier: str
    direction: str
    reason: str
    origin: str
    effective_at: AwareDatetime
    happened_at: AwareDatetime | None
    activity_id: str | None
    score: Score

    @classmethod
    def of(cls, row: ChangeRow) -> "HistoryLine":
        """From the store's row."""
        return cls(**{**row._asdict(), "score": score_decimal(row.score)})


class _AsPublished:
    """The contract's own schema of a tier change, there being one definition of an event."""

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Any) -> dict[str, Any]:
        return schemas.inlined(EVENT_TYPE)


class TierChangesTail(BaseModel):
    """Where a page of the feed ends, and in time."""

    next_cursor: str = Field(description="Send it as `after`, also when there were no items.")
    as_of: AwareDatetime | None = Field(
        description="There is no other change up to here; null while there may be more to read."
    )


class TierChanges(TierChangesTail):
    """The next tier changes, each exactly as it is on the bus (`tier-changes.v1`)."""

    items: list[Annotated[dict[str, Any], _AsPublished()]]


class Share(BaseModel):
    """How many clients are in a tier."""

    tier: str
    names: Names
    clients: int

    @classmethod
    def of(cls, count: TierCount) -> "Share":
        """From the store's row."""
        return cls(tier=count.tier, names=Names(**count.names), clients=count.clients)


class Distribution(BaseModel):
    """The clients of a practice by tier, lowest tier first."""

    as_of: AwareDatetime | None
    rulebook: str
    rulebook_version: int
    tiers: list[Share]
