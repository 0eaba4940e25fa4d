"""The domain's refusals as problem details (RFC 9457)."""

from collections.abc import Iterator
from contextlib import contextmanager

from ingestion_service.domain import errors
from rapport_runtime.errors import TryLater
from rapport_runtime.http.problems import (
    Conflict,
    FieldError,
    InvalidRequest,
    NotFound,
    ProblemError,
    Unavailable,
)


def field_error(reason: str, detail: str, pointer: str) -> FieldError:
    """The error of one field of the body; `pointer` is a JSON pointer."""
    return FieldError(location="body", pointer=pointer, reason=reason, detail=detail)


@contextmanager
def refusals_as_problems() -> Iterator[None]:
    """Turn each refusal that the block raises into a `ProblemError`, and `TryLater` into a 503."""
    try:
        yield
    except errors.Refused as refused:
        raise _problem(refused) from refused
    except TryLater as error:
        raise Unavailable(str(error)) from error


def _problem(refused: errors.Refused) -> ProblemError:
    reason, detail = refused.reason, refused.detail
    faults = [field_error(reason, detail, refused.field)] if refused.field else []
    if isinstance(refused, errors.Unknown):
        return NotFound(detail, reason=reason, errors=faults)
    if isinstance(refused, errors.Unreadable):
        return InvalidRequest(detail, reason=reason, errors=faults)
    return Conflict(detail, reason=reason, errors=faults)
