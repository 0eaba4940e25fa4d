"""Words of a query that an operation does not know are refused, never ignored.

A misspelt filter would otherwise give the whole list, and a misspelt cursor the first page for
ever.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request

from rapport_runtime.http.operations import shown_operations
from rapport_runtime.http.problems import FieldError, InvalidRequest

_MOST = 100
_LONGEST = 100
"""So many refused words an answer names, and so many letters of each."""

QueryWords = Mapping[Any, frozenset[str]]
"""The words that each endpoint knows."""


def query_words(app: FastAPI, document: Mapping[str, Any]) -> QueryWords:
    """The words that the OpenAPI document names, by the endpoint of their operation."""
    return {
        route.endpoint: frozenset(_of_query(operation))
        for route, operation in shown_operations(app, document)
    }


def refuse_unknown_words(request: Request) -> None:
    """Raise `InvalidRequest` for a query with a word that the operation does not know.

    It names each such word and all known ones. Call it only for a request that has a query.
    """
    words: QueryWords = request.app.state.query_words
    known = words.get(request.scope["endpoint"], frozenset())
    unknown = [word for word in dict.fromkeys(request.query_params.keys()) if word not in known]
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise InvalidRequest(
            f"{len(unknown)} unknown in the query; known: {names}",
            reason="unknown-parameter",
            errors=[_fault(word, names) for word in unknown[:_MOST]],
        )


def _fault(word: str, names: str) -> FieldError:
    return FieldError(
        location="query",
        parameter=word[:_LONGEST],
        reason="unknown-parameter",
        detail=f"this operation does not know it; known: {names}",
    )


def _of_query(operation: Mapping[str, Any]) -> Iterator[str]:
    parameters = operation.get("parameters", ())
    return (one["name"] for one in parameters if one.get("in") == "query")
