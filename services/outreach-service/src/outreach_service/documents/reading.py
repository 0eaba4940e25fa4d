"""From parsed JSON to a model: the whole shape is checked, and every fault has its place."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from outreach_service.domain.faults import Fault, InvalidDocument

LONGEST_LIST = 50
"""Items of a list: each tier change of each client is compared with all of them (S20)."""

MOST_FAULTS = 100
"""So many faults of one document are listed; a last one says how many more there are."""

Model = TypeVar("Model", bound="StrictModel")
Item = TypeVar("Item")

Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Several = Annotated[list[Item], Field(min_length=1, max_length=LONGEST_LIST)]


class StrictModel(BaseModel):
    """Part of a document; a key that it does not know is a fault, since a misspelt one would
    otherwise be ignored silently. Its title names it in schemas, and so in generated code."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        model_title_generator=lambda model: model.__name__.removesuffix("Document"),
    )


def read(model: type[Model], document: object) -> Model:
    """The document as this model. Raises InvalidDocument with the faults of its shape."""
    try:
        return model.model_validate(document)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False, include_input=False)
        faults = [
            Fault(tuple(error["loc"]), error["msg"].removeprefix("Value error, "))
            for error in errors[:MOST_FAULTS]
        ]
        if len(errors) > MOST_FAULTS:
            faults.append(Fault((), f"has {len(errors) - MOST_FAULTS} more faults"))
    raise InvalidDocument(faults)
