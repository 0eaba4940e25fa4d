"""The domain's refusals as problems of RFC 9457."""

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
    """What is wrong with one field of the body."""
    name = pointer.strip("/").replace("/", ".")
    return FieldError(location="body", field=name, pointer=f"#{pointer}", reason=reason)


@contextmanager
def answered() -> Iterator[None]:
    """Turn what the use cases raise into what a caller is told."""
    try:
        yield
    except errors.Refused as refused:
        raise _problem(refused) from refused
    except TryLater as error:
        raise Unavailable(str(error)) from error


def _problem(refused: errors.Refused) -> ProblemError:
    faults = [field_error(refused.detail, refused.field)] if refused.field else []
    said = f"{refused.reason}: {refused.detail}"
    if isinstance(refused, errors.Unknown):
        return NotFound(said, errors=faults)
    if isinstance(refused, errors.Invalid):
        return InvalidRequest(said, errors=faults)
    return Conflict(said, errors=faults)
