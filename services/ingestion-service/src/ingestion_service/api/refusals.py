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


def field_error(reason: str, pointer: str) -> FieldError:
    """The error of one field of the body; `pointer` is a JSON pointer."""
    name = pointer.strip("/").replace("/", ".")
    return FieldError(location="body", field=name, pointer=f"#{pointer}", reason=reason)


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
    faults = [field_error(refused.detail, refused.field)] if refused.field else []
    detail = f"{refused.reason}: {refused.detail}"
    if isinstance(refused, errors.Unknown):
        return NotFound(detail, errors=faults)
    if isinstance(refused, errors.Invalid):
        return InvalidRequest(detail, errors=faults)
    return Conflict(detail, errors=faults)
