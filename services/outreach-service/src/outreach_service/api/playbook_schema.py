"""The JSON Schema of a playbook, for the document: what the parser and the templates accept."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

from outreach_service.domain.playbook import LONGEST_LIST, Mode
from outreach_service.domain.templates import Catalogue
from outreach_service.domain.terms import Direction, Origin, Purpose, Reason, permitted

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
_FLAG: Schema = {"type": "boolean"}
_DAYS_AND_TIME = r"([0-9]{1,4}D)?(T([0-9]{1,5}H)?([0-9]{1,6}M)?([0-9]{1,8}S)?)?"
_DURATION: Schema = {
    "type": "string",
    "maxLength": 64,
    "pattern": rf"^P(?=[0-9T])([0-9]{{1,4}}W|{_DAYS_AND_TIME})(?<!T)$",
    "description": "ISO 8601, of fixed length: weeks, or days, hours, minutes and seconds.",
    "examples": ["P2D"],
}
_LONGER_THAN_NOTHING: Schema = _DURATION | {"pattern": f"^(?=.*[1-9]){_DURATION['pattern'][1:]}"}


def playbook_schema(catalogue: Catalogue) -> Schema:
    """What `parse_playbook` takes, with the routes that a template of the catalogue serves.

    Not said, since JSON Schema cannot: a play's key is unique, a step names a channel once.
    """
    plays = [
        _play(purpose, routes) for purpose in Purpose if (routes := _routes(catalogue, purpose))
    ]
    said = {"description": f"Every list in it holds {LONGEST_LIST} at most."}
    return _object({"key": _TEXT, "plays": _list({"oneOf": plays})}, {}) | said


def _play(purpose: Purpose, routes: list[Schema]) -> Schema:
    step = _object({"channels": _list({"oneOf": routes})}, {"delay": _DURATION})
    when = _object(
        {"directions": _words(Direction)},
        {
            "from_tiers": _list(_TEXT),
            "to_tiers": _list(_TEXT),
            "reasons": _words(Reason),
            "origins": _words(Origin),
        },
    )
    return _object(
        {"key": _TEXT, "when": when, "purpose": {"const": purpose}, "steps": _list(step)},
        {
            "mode": {"enum": list(Mode)},
            "unless": _object({}, {"upcoming_booking": _FLAG, "newer_activity": _FLAG}),
            "expires_after": _LONGER_THAN_NOTHING,
        },
    )


def _routes(catalogue: Catalogue, purpose: Purpose) -> list[Schema]:
    found = {
        (template.channel, template.key)
        for template in catalogue.templates.values()
        if template.purpose is purpose and permitted(template.channel, purpose)
    }
    return [
        _object({"channel": {"const": channel}, "template": {"const": key}}, {})
        for channel, key in sorted(found)
    ]


def _object(required: Schema, optional: Schema) -> Schema:
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


def _words(kind: Iterable[StrEnum]) -> Schema:
    words: Collection[str] = [str(word) for word in kind]
    return _list({"enum": words})
