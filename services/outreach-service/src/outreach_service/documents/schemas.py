"""The JSON Schemas of the documents, made from their models."""

from copy import deepcopy
from typing import Any

from outreach_service.documents.playbooks import PlaybookDocument, RouteDocument
from outreach_service.documents.reading import LONGEST_LIST
from outreach_service.documents.templates import TemplatesDocument
from outreach_service.domain.templates import Catalogue
from outreach_service.domain.terms import Purpose, permitted

Schema = dict[str, Any]

EXAMPLE_PLAYBOOK: Schema = {
    "key": "ours",
    "plays": [
        {
            "key": "check-in",
            "when": {"directions": ["downgraded"], "to_tiers": ["bronze"]},
            "purpose": "care",
            "mode": "approve",
            "expires_after": "P7D",
            "steps": [
                {
                    "delay": "P1D",
                    "channels": [
                        {"channel": "wechat", "template": "check-in"},
                        {"channel": "sms", "template": "check-in"},
                    ],
                }
            ],
        }
    ],
}


def document_schemas() -> dict[str, Schema]:
    """Name -> JSON Schema (draft 2020-12) of each document, for editors and for other programs.

    A schema does not know what the domain checks: that keys differ, which channel may carry which
    purpose, what a text may not contain.
    """
    return {
        "playbook": _published("playbook", PlaybookDocument.model_json_schema()),
        "templates": _published("templates", TemplatesDocument.model_json_schema()),
    }


def playbook_schema(catalogue: Catalogue) -> Schema:
    """The body of a request that replaces a playbook, with the routes that the catalogue serves.

    Not expressed, since JSON Schema cannot: a play's key is unique, a step names a channel once.
    """
    schema = _inlined(PlaybookDocument.model_json_schema())
    schema["examples"] = [EXAMPLE_PLAYBOOK]
    plays = schema["properties"]["plays"]
    plays["items"] = {
        "oneOf": [
            _play_of(plays["items"], purpose, routes)
            for purpose in Purpose
            if (routes := _routes(catalogue, purpose))
        ]
    }
    return schema | {"description": f"Every list in it holds {LONGEST_LIST} at most."}


def _published(name: str, schema: Schema) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:rapport:document:{name}",
        **schema,
    }


def _play_of(play: Schema, purpose: Purpose, routes: list[Schema]) -> Schema:
    """The schema of a play, narrowed to one purpose and its routes."""
    narrowed = deepcopy(play)
    narrowed["title"] = f"{purpose.title()}Play"
    narrowed["properties"]["purpose"] = _only(purpose)
    step = narrowed["properties"]["steps"]["items"]
    step["title"] = f"{purpose.title()}Step"
    step["properties"]["channels"]["items"] = {"oneOf": routes}
    return narrowed


def _routes(catalogue: Catalogue, purpose: Purpose) -> list[Schema]:
    """One schema for each route that a template of this purpose serves."""
    route = _inlined(RouteDocument.model_json_schema())
    del route["description"]  # the same for each of them
    found = {
        (template.channel, template.key)
        for template in catalogue.templates.values()
        if template.purpose is purpose and permitted(template.channel, purpose)
    }
    return [
        route
        | {
            "title": "".join(map(str.title, (purpose, channel, *key.split("-")))),
            "properties": {"channel": _only(channel), "template": _only(key)},
        }
        for channel, key in sorted(found)
    ]


def _only(value: str) -> Schema:
    return {"type": "string", "const": str(value)}


def _inlined(schema: Schema) -> Schema:
    """The schema in one piece: the document around it names its parts anew, by their titles."""
    parts = schema.get("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        part = parts[node["$ref"].rpartition("/")[2]] if "$ref" in node else {}
        whole = {key: value for key, value in (part | node).items() if key not in {"$defs", "$ref"}}
        return {key: inline(value) for key, value in whole.items()}

    found: Schema = inline(schema)
    return found
