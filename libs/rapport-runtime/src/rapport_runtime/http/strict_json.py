"""Which bytes are JSON to us: UTF-8, finite numbers, unique keys, little depth, storable text.

Each JSON body is parsed twice: here, and by FastAPI for the route's model. FastAPI's parser takes
NaN, a key twice, any depth and U+0000, and has no settings; and the framework makes the request
object that holds a parsed body, after the edge. To give it our value, each route would have to be
of a class of our own that reaches into that object. A body has 1 MiB at most, and the second parse
is cheaper than this one.
"""

import json
from typing import Any

from rapport_runtime.http.problems import MalformedJson

MAX_DEPTH = 32


class _Refused(ValueError):
    """The standard library takes it and we do not; the text is the reason."""


def check_json(body: bytes) -> None:
    """Raise `MalformedJson` for a body that Postgres, Kafka or a strict parser would refuse.

    Refused: bad UTF-8, NaN and infinities, numbers beyond a double, a key twice in one object,
    nesting deeper than 32, U+0000 (Postgres has no such text) and lone surrogates (not UTF-8).
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
        _check_value(value)
    except UnicodeDecodeError as error:
        raise MalformedJson(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedJson(f"not JSON at character {error.pos}") from None
    except RecursionError:
        raise MalformedJson(f"nested deeper than {MAX_DEPTH}") from None
    except _Refused as error:
        raise MalformedJson(str(error)) from None
    except ValueError:  # an integer of more digits than Python converts
        raise MalformedJson("a number is too long") from None


def _no_constant(name: str) -> float:
    raise _Refused(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _Refused("a number is beyond the range of a double")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused("an object has the same key twice")
    return found


def _check_value(value: object) -> None:
    level = [value]
    for _depth in range(MAX_DEPTH + 1):
        deeper: list[object] = []
        for item in level:
            if isinstance(item, str):
                _storable(item)
            elif isinstance(item, dict):
                deeper.extend(item)
                deeper.extend(item.values())
            elif isinstance(item, list):
                deeper.extend(item)
        if not deeper:
            return
        level = deeper
    raise _Refused(f"nested deeper than {MAX_DEPTH}")


def _storable(text: str) -> None:
    if "\0" in text:
        raise _Refused("a text holds U+0000")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _Refused("a text holds half of a surrogate pair")
