"""Words of a query that an operation does not know, or that come twice, are refused, never ignored.

A misspelt filter would otherwise give the whole list, and a misspelt cursor the first page for
ever; of a filter that comes twice only the last would count.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant

from rapport_runtime.http.operations import shown_routes
from rapport_runtime.http.problems import FieldError, InvalidRequest

_MOST = 100
_LONGEST = 100
"""So many refused words an answer names, and so many letters of each."""

QueryWords = Mapping[Any, frozenset[str]]
"""The words that each endpoint knows."""


def query_words(app: FastAPI) -> QueryWords:
    """The words that the OpenAPI document names, by the endpoint of their operation."""
    return {route.endpoint: frozenset(_of_query(route.dependant)) for route in shown_routes(app)}


def refuse_wrong_words(request: Request) -> None:
    """Raise `InvalidRequest` for a query with a word that is unknown here, or that comes twice.

    It names each such word, and all known ones. Call it only for a request that has a query.
    """
    words: QueryWords = request.app.state.query_words
    known = words.get(request.scope["endpoint"], frozenset())
    times = Counter(word for word, _ in request.query_params.multi_items())
    names = ", ".join(sorted(known)) or "none"
    _refuse(
        [word for word in times if word not in known],
        reason="unknown-parameter",
        summary=f"unknown in the query; known: {names}",
        detail=f"this operation does not know it; known: {names}",
    )
    _refuse(
        [word for word, count in times.items() if count > 1],
        reason="repeated-parameter",
        summary="more than once in the query; send each once",
        detail="it comes more than once; send it once",
    )


def _refuse(words: Sequence[str], *, reason: str, summary: str, detail: str) -> None:
    if words:
        raise InvalidRequest(
            f"{len(words)} {summary}",
            reason=reason,
            errors=[
                FieldError(
                    location="query", parameter=word[:_LONGEST], reason=reason, detail=detail
                )
                for word in words[:_MOST]
            ],
        )


def _of_query(dependant: Dependant) -> Iterator[str]:
    """The words that an endpoint reads, and all on which it depends."""
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _of_query(each)
