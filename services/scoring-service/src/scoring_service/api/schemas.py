"""The JSON of the scoring API, as models."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from rapport_contracts import schemas
from rapport_contracts.examples import examples_of
from rapport_runtime.http.paging import Page
from scoring_service.domain.assess import NextTransition
from scoring_service.domain.explain import score_decimal
from scoring_service.domain.rulebook import Rulebook, Tier
from scoring_service.ports import ChangeRow, ClientTier

EVENT_TYPE = "rapport.tier.changed.v1"
ANY_CLIENT = "2fd2a63a675d5e4bb10c8a4dc82ba496"
ANY_CHANGE = examples_of(EVENT_TYPE)["upgraded-by-activity"]
ANY_CURSOR = "WzEyLDAsNyw0XQ.c2lnbmF0dXJl"
ClientId = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{32}$"), Field(examples=[ANY_CLIENT])
]
SchemeKey = Annotated[str, Field(description="The scheme whose tiers these are.", examples=["rfm"])]
Score = Annotated[Decimal, Field(description="0.00 to 100.00, two decimals.", examples=["72.50"])]


class Names(BaseModel):
    """A tier's labels; internal, never shown to a client."""

    en: str = Field(examples=["Silver"])
    zh: str = Field(examples=["银牌"])


class ExplanationLine(BaseModel):
    """One line of the explanation: an input, its value, the points it earns, and until when."""

    line: str = Field(description="The rung of the rulebook.", examples=["recency.within_P3M"])
    input: str = Field(examples=["last_completed"])
    value: str = Field(examples=["1997-11-25"])
    points: int = Field(examples=[5])
    until: date | None = Field(
        description="The last local day on which it still earns this.", examples=["2024-06-11"]
    )


class Cause(BaseModel):
    """Which line of the rulebook, over which input."""

    line: str = Field(examples=["recency.within_P3M"])
    input: str = Field(examples=["last_completed"])


class Coming(BaseModel):
    """The next change of tier, at the start of a local day, if no activity comes before."""

    at: AwareDatetime
    from_tier: str = Field(examples=["silver"])
    to_tier: str = Field(examples=["bronze"])
    direction: str = Field(examples=["downgraded"])
    because: Cause
    assumes: str = Field(examples=["no_activity"])
    rulebook_version: int


class Incompleteness(BaseModel):
    """Why an answer's inputs are not complete, and from which number of the client's activities."""

    reason: Literal["missing", "unknown", "repeated", "rebuilding"] = Field(
        description="`missing`: an activity has not arrived, or waits as a dead letter. `unknown`:"
        " one says something that this version does not know, or was given up. `repeated`: the"
        " sender's database was restored and gave a number out again. `rebuilding`: the client's"
        " activities have been said anew for an hour, and are not complete."
    )
    since_sequence: int = Field(description="The first activity concerned.", examples=[17])


class Held(BaseModel):
    """Why time lowers no tier of the practice at present."""

    reason: str = Field(
        description="`silent`: a source says nothing for longer than it should. `import`: history"
        " is read. `deferred`: records of the practice wait to be read. Others may come.",
        examples=["silent"],
    )
    source: str | None = Field(
        description="The source that is silent or imported.", examples=["moon-gate-pay"]
    )
    since: AwareDatetime


class TierAnswer(BaseModel):
    """A client's tier, why, and when it will change; all as of `as_of`.

    While the practice is held, `next_transition` may lie in the past: it is what the end of the
    hold will bring, unless activities come that hold the tier.
    """

    client_id: str = Field(examples=[ANY_CLIENT])
    tier: str | None = Field(
        description="null until the first watermark has come.", examples=["silver"]
    )
    tier_names: Names | None
    score: Score | None
    since: AwareDatetime | None = Field(description="When the last change took effect.")
    version: int = Field(description="The number of changes so far, in this scheme.", examples=[2])
    zone: str | None = Field(
        description="null until the first activity has come.", examples=["Asia/Shanghai"]
    )
    scheme: SchemeKey
    rulebook_version: int
    primary: bool = Field(description="Whether the practice acts on this scheme.")
    as_of: AwareDatetime | None = Field(
        description="All input up to here is in the answer. It stands still while records of the"
        " practice wait to be read; no tier falls by time meanwhile."
    )
    inputs_complete: bool = Field(
        description="False while something is known to be missing; the tier may then change."
    )
    inputs_incomplete: list[Incompleteness] = Field(
        description="Why not; empty when complete.", examples=[[]]
    )
    rebuilding: bool = Field(
        description="Whether the client's activities are being said anew. Until all of them are"
        " there, the answer goes by those before.",
        examples=[False],
    )
    held: list[Held] = Field(
        description="Empty unless the practice is held. What is held back meanwhile takes effect"
        " when the last hold ends.",
        examples=[[]],
    )
    explanation: list[ExplanationLine]
    next_transition: Coming | None

    @classmethod
    def of(cls, tier: ClientTier) -> "TierAnswer":
        """The answer about one client."""
        return cls.model_validate(tier_fields(tier))


def tier_fields(tier: ClientTier) -> dict[str, Any]:
    """The fields of `TierAnswer` as plain values, in its order; every answer says as of when it
    holds and whether its inputs are complete (F50)."""
    known, rulebook = tier.assessment, tier.rulebook
    incomplete = [
        {"reason": reason, "since_sequence": sequence}
        for reason, sequence in (
            ("missing", tier.first_missing_sequence),
            ("unknown", tier.first_skipped_sequence),
            ("repeated", tier.first_repeated_sequence),
            ("rebuilding", tier.first_overdue_sequence),
        )
        if sequence is not None
    ]
    coming = known and known.next_transition
    return {
        "client_id": tier.client_id,
        "tier": known and known.tier,
        "tier_names": known and _names(known.tier, rulebook),
        "score": known and score_decimal(known.score),
        "since": tier.since,
        "version": tier.version,
        "zone": tier.zone or None,
        "scheme": rulebook.key,
        "rulebook_version": rulebook.version,
        "primary": True,
        "as_of": tier.as_of,
        "inputs_complete": not incomplete,
        "inputs_incomplete": incomplete,
        "rebuilding": tier.is_rebuilding,
        "held": [each._asdict() for each in tier.held],
        "explanation": [line._asdict() for line in known.explanation] if known else [],
        "next_transition": coming and _coming_fields(coming),
    }


def _names(tier: str, rulebook: Rulebook) -> dict[str, str] | None:
    """None for a tier of a rulebook that this process has not read yet."""
    return next((each.names for each in rulebook.tiers if each.key == tier), None)


def _coming_fields(coming: NextTransition) -> dict[str, Any]:
    fields = coming._asdict()
    del fields["on"]  # the local day whose first instant is `at`
    return {**fields, "because": coming.because._asdict()}


class TierPage(Page[TierAnswer]):
    """Clients, and the cursor from which to follow their tier changes."""

    changes_cursor: str = Field(
        examples=[ANY_CURSOR],
        description="Send it as `cursor` to `/v1/tier-changes`: every change that is not in this"
        " page's answers yet comes after it. Of several pages keep the first one's. A change whose"
        " version is not above an answer's is in that answer already.",
    )


class Lookup(BaseModel):
    """The clients whose tiers to look up, and in which scheme."""

    model_config = ConfigDict(extra="forbid")

    client_ids: list[ClientId] = Field(min_length=1, max_length=1000)
    scheme: str | None = Field(
        default=None,
        max_length=200,
        description="The scheme; the primary one if left out.",
        examples=[None],
    )


class LookupAnswer(BaseModel):
    """The tiers found, in the order of the request; `unknown` are ids without a client in this
    practice."""

    items: list[TierAnswer]
    unknown: list[str] = Field(examples=[["00000000000000000000000000000000"]])


class HistoryLine(BaseModel):
    """One change of tier in one scheme; the list is append-only, `version` gapless."""

    scheme: SchemeKey
    version: int = Field(examples=[2])
    rulebook_version: int
    primary: bool = Field(description="Whether the practice acted on this scheme.")
    from_tier: str | None = Field(examples=["bronze"])
    to_tier: str = Field(examples=["silver"])
    direction: str = Field(
        description="`entered`, `upgraded`, `downgraded`, `left`, or `moved` between tiers without"
        " order. Others may come.",
        examples=["upgraded"],
    )
    reason: str = Field(examples=["activity"])
    origin: str = Field(examples=["live"])
    effective_at: AwareDatetime
    due_on: date | None = Field(
        description="The local day of a change that was held until later.", examples=[None]
    )
    happened_at: AwareDatetime | None
    activity_id: str | None = Field(examples=["586f4f66-5dd8-5571-875b-8a2975148f62"])
    score: Score | None = Field(description="null where the scheme has none.")

    @classmethod
    def of(cls, row: ChangeRow) -> "HistoryLine":
        """The line of one stored change."""
        fields = row._asdict()
        is_primary, score = fields.pop("is_primary"), fields.pop("score")
        score = None if score is None else score_decimal(score)
        return cls(**fields, primary=is_primary, score=score)


class _AsPublished:
    """Shows the event's schema from the contracts, so that an event is defined once."""

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Any) -> dict[str, Any]:
        return {**schemas.inlined(EVENT_TYPE), "examples": [ANY_CHANGE]}


class TierChangesTail(BaseModel):
    """Where a page of the feed ends: its cursor, and its business time."""

    next_cursor: str = Field(
        examples=[ANY_CURSOR], description="Send it as `cursor`, also when there were no items."
    )
    as_of: AwareDatetime | None = Field(
        description="All changes up to this instant are read; null while there may be more."
    )


class TierChanges(TierChangesTail):
    """The next tier changes, each exactly as it is on the bus (`tier-changes.v1`)."""

    items: list[Annotated[dict[str, Any], _AsPublished()]]


class Share(BaseModel):
    """How many clients are in a tier."""

    tier: str = Field(examples=["silver"])
    names: Names
    clients: int = Field(examples=[118])

    @classmethod
    def of(cls, tier: Tier, clients: int) -> "Share":
        """The share of one tier of the rulebook."""
        return cls(tier=tier.key, names=Names(**tier.names), clients=clients)


class Distribution(BaseModel):
    """The clients of a practice by tier, lowest tier first."""

    as_of: AwareDatetime | None
    scheme: SchemeKey
    rulebook_version: int
    primary: bool
    tiers: list[Share]
