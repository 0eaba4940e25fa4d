"""Outreach's refusals as problems of RFC 9457."""

from collections.abc import Iterator
from contextlib import contextmanager

from outreach_service.contacts import InvalidContact
from outreach_service.domain.consents import Refused
from outreach_service.domain.faults import InvalidDocument
from outreach_service.ports import NoBusinessTime, WrongState
from rapport_runtime.http.errors import field_errors
from rapport_runtime.http.problems import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidRequest,
    ProblemError,
    Unauthorised,
    Unavailable,
)

NO_CLIENT = "this practice has no such client, or outreach has not received it yet"
NO_MESSAGE = "this practice has no such message"


class NotDatedYet(Unavailable):
    """Simulated time has not reached every partition, so nothing can be dated."""

    slug, title = "no-business-time", "There is no business time yet"


ALWAYS = (Unauthorised, Forbidden, InvalidRequest, Unavailable)
"""The problems that any route behind a key may answer with."""


@contextmanager
def refusals_as_problems() -> Iterator[None]:
    """Turn the refusals that the use cases raise into problems."""
    try:
        yield
    except NoBusinessTime as error:
        raise NotDatedYet(str(error)) from error
    except WrongState as error:
        raise Conflict(str(error), reason="wrong-state") from error


def as_problem(invalid: InvalidDocument) -> InvalidRequest:
    """The problem of a body that is a document; it names every fault."""
    faults = [{"loc": ("body", *fault.place), "msg": fault.problem} for fault in invalid.faults]
    return InvalidRequest(f"{len(faults)} found", errors=field_errors(faults))


def contact_error(invalid: InvalidContact) -> FieldError:
    """The error of a body whose address nothing can be sent to."""
    return FieldError(
        location="body", pointer="/address", reason="invalid-address", detail=invalid.problem
    )


_REFUSED_CONSENTS = {
    Refused.OTHER_CONTENT: ("/id", "was accepted before with other content"),
    Refused.IN_THE_FUTURE: (
        "/stated_at",
        "is more than 48 hours ahead; say when the client made it, by a clock that is right",
    ),
}


def consent_error(refused: Refused) -> FieldError:
    """The error of a body whose statement was not recorded."""
    pointer, detail = _REFUSED_CONSENTS[refused]
    return FieldError(location="body", pointer=pointer, reason=str(refused), detail=detail)


def dated_ahead(refused: Refused) -> FieldError:
    """The error of a body whose contact point was not saved."""
    return FieldError(
        location="body",
        pointer="/valid_from",
        reason=str(refused),
        detail="is more than 48 hours ahead; say since when it is the client's, or leave it out",
    )


def contact_problem(refused: Refused) -> ProblemError:
    """The problem of a contact point that was not saved."""
    fault = dated_ahead(refused)
    return Conflict("the contact is dated ahead", reason=fault.reason, errors=[fault])


def consent_problem(refused: Refused) -> ProblemError:
    """The problem of a statement that was not recorded. The body is right by its form: what it
    says does not go with what was recorded, or with the clock."""
    fault = consent_error(refused)
    details = {
        Refused.OTHER_CONTENT: "this id stands for another statement",
        Refused.IN_THE_FUTURE: "the statement is dated ahead",
    }
    return Conflict(details[refused], reason=fault.reason, errors=[fault])
