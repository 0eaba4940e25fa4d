"""The mapping of a source: a JSON document that says how what it sends becomes events."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Final, NamedTuple, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from rapport_adapters.mapping.values import (
    MAX_WORDS,
    AmountAt,
    CancellerAt,
    CodeAt,
    CurrencyAt,
    EventId,
    FlagAt,
    KeyAt,
    Part,
    Path,
    Place,
    TimeAt,
    UnitsAt,
    Word,
)
from rapport_contracts.catalogue import ANY_SOURCE, SOURCE, kind_of
from rapport_contracts.topics import SOURCE_BOOKINGS, SOURCE_PAYMENTS
from rapport_contracts.values import Zone

KINDS: Final = tuple(
    sorted(
        kind_of(name) for topic in (SOURCE_BOOKINGS, SOURCE_PAYMENTS) for name in SOURCE[topic.name]
    )
)
"""The kinds of events of bookings and payments, such as `booking.created`."""

ATTRIBUTES: Final = ("id", "time", "subject", "backfill")
"""What stands beside `data` in an event."""


def _known(kind: str) -> str:
    if kind not in KINDS:
        msg = f"must be one of {', '.join(KINDS)}"
        raise ValueError(msg)
    return kind


Kind = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(KINDS)})]


class KindAt(Place):
    """Which kind of event it is: the same for all, or what the source's words become. A word that
    becomes null tells nothing; one that the table lacks is refused, unless `others` tell nothing,
    too."""

    constant: Kind | None = None
    words: Annotated[dict[Word, Kind | None], Field(min_length=1, max_length=MAX_WORDS)] | None = (
        None
    )
    others: bool = Field(default=False, strict=True, description="true: other words tell nothing.")

    @model_validator(mode="after")
    def _is_said_once(self) -> Self:
        is_read = (self.path is not None, self.words is not None)
        if is_read != ((False, False) if self.constant is not None else (True, True)):
            msg = "must have a constant, or a path and words"
            raise ValueError(msg)
        return self

    def kinds(self) -> tuple[str, ...]:
        """The kinds that come of it, each once."""
        found = [self.constant] if self.words is None else self.words.values()
        return tuple(dict.fromkeys(kind for kind in found if kind is not None))


class Values(Part):
    """Where the values of events stand, by the names that they have in events."""

    id: EventId | None = None
    time: TimeAt | None = None
    subject: KeyAt | None = Field(default=None, description="The client.")
    backfill: FlagAt | None = None
    booking_id: KeyAt | None = None
    starts_at: TimeAt | None = None
    replaces: KeyAt | None = None
    cancelled_by: CancellerAt | None = None
    cancelled_at: TimeAt | None = None
    assumed: FlagAt | None = None
    counsellor_id: CodeAt | None = None
    service_code: CodeAt | None = None
    site: CodeAt | None = None
    product: CodeAt | None = None
    package_id: KeyAt | None = None
    payment_id: KeyAt | None = None
    refund_id: KeyAt | None = None
    chargeback_id: KeyAt | None = None
    currency: CurrencyAt | None = None
    amount_minor: AmountAt | None = None
    units: UnitsAt | None = None
    payer: KeyAt | None = None


class Said(NamedTuple):
    """How a mapping says a value, and the JSON pointer to that within the mapping."""

    how: Place
    pointer: str


class MappingDocument(Part):
    """How what a source sends becomes events.

    `each` leads to a list, each part of which is an event; without it the payload is one. `kind`
    says which event it is. `values` hold for all kinds that have such a field; what `of` says of a
    kind comes before it. `zone` is that of times without an offset.
    """

    each: Path | None = Field(default=None, examples=["/visits"])
    kind: KindAt
    values: Values = Values()
    of: dict[Kind, Values] = Field(default_factory=dict)
    zone: Zone | None = None

    @model_validator(mode="after")
    def _can_become_events(self) -> Self:
        """Refuse, by field, what could never become an event, or would never be read."""
        missing = (fault for kind in self.kind.kinds() for fault in _missing(self, kind))
        faults = [*_unread(self), *missing]
        if faults:
            raise ValidationError.from_exception_data("MappingDocument", faults)
        return self

    def said(self, kind: str) -> Mapping[str, Said]:
        """What the mapping says of the fields of a kind, by their names."""
        own = self.of.get(kind)
        of_kind = {} if own is None else dict(_said(own, f"/of/{kind}"))
        shared = dict(_said(self.values, "/values"))
        fields = fields_of(kind)
        return {name: how for name, how in {**shared, **of_kind}.items() if name in fields}


@cache
def fields_of(kind: str) -> Mapping[str, FieldInfo]:
    """The fields of a kind of event that a mapping says: its attributes, and those of its data."""
    event = ANY_SOURCE[f"rapport.{kind}.v1"]
    data = event.model_fields["data"].annotation
    own = {name: event.model_fields[name] for name in ATTRIBUTES}
    return {**own, **data.model_fields}  # type: ignore[union-attr]  # each event's data is a model


def _said(values: Values, pointer: str) -> Iterator[tuple[str, Said]]:
    for name in Values.model_fields:
        how = getattr(values, name)
        if how is not None:
            yield name, Said(how, f"{pointer}/{name}")


def _unread(mapping: MappingDocument) -> Iterator[InitErrorDetails]:
    """What the mapping says of kinds that never come, or of fields that no kind has."""
    kinds = mapping.kind.kinds()
    read = {name for kind in kinds for name in fields_of(kind)}
    for name, _ in _said(mapping.values, ""):
        if name not in read:
            yield _fault(("values", name), "no kind of this mapping has such a field")
    for kind, values in mapping.of.items():
        if kind not in kinds:
            yield _fault(("of", kind), "no word becomes this kind")
        for name, _ in _said(values, ""):
            if name not in fields_of(kind):
                yield _fault(("of", kind, name), "this kind has no such field")


def _missing(mapping: MappingDocument, kind: str) -> Iterator[InitErrorDetails]:
    said = mapping.said(kind)
    for name, field in fields_of(kind).items():
        if field.is_required() and name not in said:
            place = ("of", kind, name) if kind in mapping.of else ("values", name)
            yield _fault(place, f"is missing: {kind} needs it")


def _fault(place: tuple[str, ...], detail: str) -> InitErrorDetails:
    return InitErrorDetails(
        type=PydanticCustomError("mapping", detail),
        loc=place,
        input=None,
    )
