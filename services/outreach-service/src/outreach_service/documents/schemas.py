"""The JSON Schemas of the documents, made from their models."""

from copy import deepcopy
from typing import Any

from outreach_service.documents.playbooks import PlaybookDocument, RouteDocument
from outreach_service.documents.reading import LONGEST_LIST
from outreach_service.documents.templates import TemplatesDocument
from outreach_service.domain.templates import Catalogue
from outreach_service.domain.terms import Purpose, permitted

Schema = dict[str, Any]

_LEFT_OUT = frozenset({"$defs", "$ref", "title", "default", "maxItems"})
"""Keywords that the schema of a request's body leaves out. OpenAPI documents have no place for
`$defs`, so each `$ref` is replaced by the part that it names. Release 0.1.0 of the document had no
`default` and no `maxItems`, and a later release must not make a caller's schema narrower."""


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
    narrowed["properties"]["purpose"] = {"const": purpose}
    step = narrowed["properties"]["steps"]["items"]
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
        route | {"properties": {"channel": {"const": channel}, "template": {"const": key}}}
        for channel, key in sorted(found)
    ]


def _inlined(schema: Schema) -> Schema:
    """The schema in one piece, without the keywords that a request's body does without."""
    parts = schema.get("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        part = parts[node["$ref"].rpartition("/")[2]] if "$ref" in node else {}
        return {key: inline(value) for key, value in (part | node).items() if key not in _LEFT_OUT}

    found: Schema = inline(schema)
    return found
