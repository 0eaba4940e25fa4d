"""What outreach refuses, as problems of RFC 9457."""

from collections.abc import Iterator
from contextlib import contextmanager

from outreach_service.ports import NoBusinessTime, WrongState
from rapport_runtime.http.problems import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidRequest,
    Unauthorised,
    Unavailable,
)

NO_CLIENT = "this practice has no such client, or outreach has not heard of it yet"
NO_MESSAGE = "this practice has no such message"


class NotDatedYet(Unavailable):
    """Simulated time has not reached every partition; nothing can be dated."""

    slug, title = "no-business-time", "There is no business time yet"


ALWAYS = (Unauthorised, Forbidden, InvalidRequest, Unavailable)
"""What any route behind a key may answer."""


@contextmanager
def answered() -> Iterator[None]:
    """Turn what the stores raise into what a caller is told."""
    try:
        yield
    except NoBusinessTime as error:
        raise NotDatedYet(str(error)) from error
    except WrongState as error:
        raise Conflict(str(error)) from error


def field_error(field: str, reason: str) -> FieldError:
    """What is wrong with one field of the body; `field` is dotted inward."""
    pointer = "#/" + field.replace(".", "/")
    return FieldError(location="body", field=field, pointer=pointer, reason=reason)
