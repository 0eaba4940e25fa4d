"""Whether all that one JSON Schema permits is permitted by another, and if not, where not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Schema = Mapping[str, Any]
Side = Literal["written", "read"]
"""`written`: Rapport writes it, others read it. `read`: others write it, Rapport reads it."""

_FLOORS = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_CEILINGS = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_EXACT = frozenset({"pattern", "format", "multipleOf", "uniqueItems", "propertyNames"})
_WORDS = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "discriminator",
        "deprecated",
        "writeOnly",
        "x-open-enum",
    }
)
"""They forbid nothing: readers must expect values that `x-open-enum` does not list."""
_STRUCTURE = frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties", "items"}
)
_KNOWN = _FLOORS | _CEILINGS | _EXACT | _WORDS | _STRUCTURE
_CHOICES = ("anyOf", "oneOf")
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


class NotUnderstood(Exception):
    """A schema uses a keyword that this comparison does not know: silence would be a guess."""


@dataclass(frozen=True)
class Containment:
    """Compares schemas of an old document with those of a new one.

    What Rapport writes must stay within what old readers expect; what it reads must still permit
    all that old writers send. In both, a field that was there stays, and one that is added breaks
    nobody: readers ignore what they do not know.
    """

    old: Mapping[str, Any]
    new: Mapping[str, Any]
    side: Side

    def breaks(self, old: Schema, new: Schema, at: str) -> list[str]:
        """What of the schema breaks the promise, each beginning with where."""
        inner, outer = (old, new) if self.side == "read" else (new, old)
        return list(self._gaps(inner, outer, at, frozenset()))

    def _gaps(self, inner: Schema, outer: Schema, at: str, seen: frozenset[Any]) -> Iterator[str]:
        """Reasons for which something that `inner` permits is not permitted by `outer`."""
        pair = (inner.get("$ref"), outer.get("$ref"))
        if all(pair) and pair in seen:
            return
        homes = self._cases(outer, is_inner=False, at=at)
        for case in self._cases(inner, is_inner=True, at=at):
            tried = (
                (list(self._case_gaps(case, home, at, seen | {pair})), _resembles(case, home))
                for home in homes
            )
            yield from min(tried, key=lambda one: (bool(one[0]), not one[1], len(one[0])))[0]

    def _cases(self, schema: Schema, *, is_inner: bool, at: str) -> list[Schema]:
        """The schema's alternatives, with references followed; each of one type at most."""
        if "$ref" in schema:
            document = self.old if is_inner == (self.side == "read") else self.new
            return self._cases(found(document, schema["$ref"]), is_inner=is_inner, at=at)
        for choice in _CHOICES:
            if choice in schema:
                rest = {word: schema[word] for word in schema.keys() - {choice} - _WORDS}
                alternatives = (_both(rest, one) if rest else one for one in schema[choice])
                inside = (self._cases(one, is_inner=is_inner, at=at) for one in alternatives)
                return [case for cases in inside for case in cases]
        _understood(schema.keys(), _KNOWN, at)
        plain = {**schema, "enum": [schema["const"]]} if "const" in schema else schema
        kinds = plain.get("type")
        return [{**plain, "type": kind} for kind in kinds] if isinstance(kinds, list) else [plain]

    def _case_gaps(
        self, inner: Schema, outer: Schema, at: str, seen: frozenset[Any]
    ) -> Iterator[str]:
        if not _fits(inner, outer):
            yield f"{at}: {_name(inner)} where {_name(outer)} is expected"
            return
        yield from self._enum_gaps(inner, outer, at)
        yield from _limit_gaps(inner, outer, at)
        if self.side == "read" and inner.get("default") != outer.get("default"):
            yield f"{at}: another default"
        yield from self._object_gaps(inner, outer, at, seen)
        if "items" in outer:
            yield from self._gaps(inner.get("items", {}), outer["items"], f"{at}[]", seen)

    def _enum_gaps(self, inner: Schema, outer: Schema, at: str) -> Iterator[str]:
        if "enum" not in outer:
            return
        if "enum" not in inner:
            yield f"{at}: any value where one of a list is expected"
            return
        for value in inner["enum"]:
            if value not in outer["enum"]:
                yield f"{at}: {value!r} is {'new' if self.side == 'written' else 'no longer taken'}"

    def _object_gaps(
        self, inner: Schema, outer: Schema, at: str, seen: frozenset[Any]
    ) -> Iterator[str]:
        has, expects = inner.get("properties", {}), outer.get("properties", {})
        old, new = (has, expects) if self.side == "read" else (expects, has)
        yield from (f"{at}.{name}: removed" for name in old if name not in new)
        for name in outer.get("required", ()):
            if name in new and name not in inner.get("required", ()):
                how = "may be left out now" if self.side == "written" else "is required now"
                yield f"{at}.{name}: {how}"
        for name in has.keys() & expects.keys():
            yield from self._gaps(has[name], expects[name], f"{at}.{name}", seen)
        yield from self._other_gaps(inner, outer, at, seen)

    def _other_gaps(
        self, inner: Schema, outer: Schema, at: str, seen: frozenset[Any]
    ) -> Iterator[str]:
        """Of fields without a name in the schema: the values of a map, or what is ignored."""
        has, expects = (one.get("additionalProperties", True) for one in (inner, outer))
        if isinstance(expects, Mapping) and has is not False:
            yield from self._gaps(has if isinstance(has, Mapping) else {}, expects, f"{at}.*", seen)
        elif expects is False and has is not False and self.side == "read":
            yield f"{at}: unknown fields are refused now"


def _both(rest: Schema, alternative: Schema) -> Schema:
    """What stands beside a choice together with one alternative, which says more of some fields."""
    fields = dict(rest.get("properties", {}))
    for name, more in alternative.get("properties", {}).items():
        fields[name] = more if "const" in more else {**fields.get(name, {}), **more}
    return {**rest, **alternative, "properties": fields}


def _limit_gaps(inner: Schema, outer: Schema, at: str) -> Iterator[str]:
    """Bounds and forms that the outer has and the inner does not keep."""
    for keyword in (_FLOORS | _CEILINGS | _EXACT) & outer.keys():
        value, limit = inner.get(keyword), outer[keyword]
        if (
            value is None
            or (keyword in _FLOORS and value < limit)
            or (keyword in _CEILINGS and value > limit)
            or (keyword in _EXACT and value != limit)
        ):
            yield f"{at}: {keyword} {value} where {limit} is expected"


def _fits(inner: Schema, outer: Schema) -> bool:
    """Whether all of the inner's types are the outer's; a schema without a type has any."""
    expected = _types(outer)
    if expected is None:
        return True
    found = _types(inner)
    return found is not None and all(
        kind in expected or (kind == "integer" and "number" in expected) for kind in found
    )


def _resembles(inner: Schema, outer: Schema) -> bool:
    """Whether the outer is likely to be what the inner has become, so that gaps are named well."""
    return _fits(inner, outer) and inner.get("title") == outer.get("title")


def _types(schema: Schema) -> set[str] | None:
    if "type" in schema:
        return {schema["type"]}
    return {_TYPES[type(value)] for value in schema["enum"]} if "enum" in schema else None


def _name(schema: Schema) -> str:
    kinds = _types(schema)
    return " or ".join(sorted(kinds)) if kinds else "anything"


def found(document: Mapping[str, Any], reference: str) -> Schema:
    """What a local reference names; KeyError when there is no such place."""
    place: Any = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    found: Schema = place
    return found


def _understood(keywords: Any, known: frozenset[str], at: str) -> None:
    strange = set(keywords) - known
    if strange:
        raise NotUnderstood(f"{at}: {sorted(strange)}")
