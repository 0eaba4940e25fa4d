"""Finds why a value could not be decoded: slow, thorough, and never repeating the value."""

import json
import math
import re
from collections.abc import Callable, Container

import msgspec
import pydantic

from rapport_contracts.catalogue import EVENT_TYPES
from rapport_contracts.errors import InvalidEvent

SPECVERSION = "1.0"

_VERSION = re.compile(r"\.v[0-9]+\Z")
_KNOWN_STEMS = frozenset(_VERSION.sub("", name) for name in EVENT_TYPES)
_MSGSPEC_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_MSGSPEC_REPEATS = ("Invalid value ", "Invalid enum value ")
_NAMED_FIELD = re.compile(r"field `(\w+)`")


def parse(value: bytes) -> object:
    """The JSON value of these bytes.

    Raises InvalidEvent: `not-utf8`, `not-json` (NaN, lone surrogates and nesting beyond what can
    be followed are not JSON here), or `invalid-field` for a number that no float can hold.
    """
    try:
        return msgspec.json.decode(value.decode())
    except UnicodeDecodeError:
        refusal = InvalidEvent("not-utf8", "is not UTF-8")
    except RecursionError:
        refusal = InvalidEvent("not-json", "is nested too deep")
    except msgspec.ValidationError:
        refusal = _number_out_of_range(value)
    except msgspec.DecodeError:
        refusal = InvalidEvent("not-json", "is not JSON")
    raise refusal


def refuse_duplicate_keys(value: bytes, document: object) -> None:
    """Raise InvalidEvent (`duplicate-key`) when an object in `value` has a key twice; `document` is
    what `parse` made of it.

    Of two equal keys parsers keep one, and not all the same one. Where nothing is escaped, the
    quotes of what was kept are as many as those that were sent, unless a key was dropped; that is
    cheap to count. Only what holds a backslash is read once more, key by key.
    """
    if b"\\" not in value:
        is_unique = value.count(b'"') == msgspec.json.encode(document).count(b'"')
    else:
        is_unique = _has_unique_keys(value)
    if not is_unique:
        raise InvalidEvent("duplicate-key", "an object has the same key twice")


def _has_unique_keys(value: bytes) -> bool:
    repeated = False

    def note(pairs: list[tuple[str, object]]) -> None:
        nonlocal repeated
        repeated = repeated or len(dict(pairs)) != len(pairs)

    try:
        json.loads(value, object_pairs_hook=note, parse_int=float)
    except (RecursionError, ValueError):
        pass
    else:
        return not repeated
    raise InvalidEvent("not-json", "is nested too deep")


def event_type(document: object, permitted: Container[str]) -> str:
    """The event type of a parsed document, if it is one of those `permitted` here.

    Raises InvalidEvent: `unknown-version`, `wrong-topic`, `unknown-type`, or `invalid-field` when
    the document is no object or has no `type`.
    """
    if not isinstance(document, dict):
        raise InvalidEvent("invalid-field", "must be a JSON object", "")
    specversion = document.get("specversion")
    if isinstance(specversion, str) and specversion != SPECVERSION:
        raise InvalidEvent("unknown-version", "must be CloudEvents 1.0", "/specversion")
    name = document.get("type")
    if not isinstance(name, str):
        raise InvalidEvent("invalid-field", "must be a text", "/type")
    if name in permitted:
        return name
    if name in EVENT_TYPES:
        raise InvalidEvent("wrong-topic", "is a type that does not travel here", "/type")
    if _VERSION.search(name) and _VERSION.sub("", name) in _KNOWN_STEMS:
        raise InvalidEvent("unknown-version", "is another version of a known type", "/type")
    raise InvalidEvent("unknown-type", "is no known type", "/type")


def refuse_null_characters(document: object) -> None:
    """Raise InvalidEvent (`invalid-field`) if any text of the document holds U+0000."""
    field = _find(document, lambda node: isinstance(node, str) and "\x00" in node)
    if field is not None:
        raise InvalidEvent("invalid-field", "must not contain U+0000", field)


def of_msgspec(error: msgspec.ValidationError) -> InvalidEvent:
    """Msgspec's finding as ours: its path as a JSON pointer, and without the value."""
    match = _MSGSPEC_MESSAGE.fullmatch(str(error))
    what, path = (match["what"], match["path"] or "") if match else ("", "")
    path = path.replace("[...]", "")  # a value of a map, whose key it does not name
    if what.startswith(_MSGSPEC_REPEATS):
        what = "is not one of the permitted values"
    elif named := _NAMED_FIELD.search(what):
        path = f"{path}.{named[1]}"
    return InvalidEvent("invalid-field", what, re.sub(r"\.|\[", "/", path.replace("]", "")))


def of_pydantic(error: pydantic.ValidationError) -> InvalidEvent:
    """Pydantic's first finding as ours, with the others, by field and without the values."""
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":  # its parser follows fewer levels than `parse`
        return InvalidEvent("not-json", "is nested too deep")
    (detail, field), *others = (
        (one["msg"].removeprefix("Value error, "), "".join(f"/{part}" for part in one["loc"]))
        for one in found
    )
    faults = [InvalidEvent("invalid-field", *other) for other in others]
    return InvalidEvent("invalid-field", detail, field, faults)


def _number_out_of_range(value: bytes) -> InvalidEvent:
    """Name the number that neither 64 bits nor a float can hold."""
    try:
        document = json.loads(value, parse_int=float)
    except (ValueError, RecursionError):
        return InvalidEvent("not-json", "is not JSON")
    field = _find(document, lambda node: isinstance(node, float) and math.isinf(node))
    return InvalidEvent("invalid-field", "is a number out of range", field)


def _find(document: object, wanted: Callable[[object], bool]) -> str | None:
    """The JSON pointer (RFC 6901) of the first node that is wanted, or that holds a wanted name."""
    ahead: list[tuple[str, object]] = [("", document)]
    while ahead:
        pointer, node = ahead.pop()
        if wanted(node):
            return pointer
        if isinstance(node, dict):
            if any(wanted(name) for name in node):
                return pointer
            ahead += [(f"{pointer}/{_escaped(name)}", child) for name, child in node.items()]
        elif isinstance(node, list):
            ahead += [(f"{pointer}/{index}", child) for index, child in enumerate(node)]
    return None


def _escaped(name: str) -> str:
    """One reference token of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
