"""`POST /v1/contacts` and `/v1/consents`: up to 1,000 at once, each accepted or rejected alone."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, Response
from pydantic import BaseModel, ValidationError

from outreach_service.api.clients import (
    ConsentsWriter,
    ContactsWriter,
    consent_statement,
    contact_reader,
)
from outreach_service.api.preference_schemas import (
    ANY_SAVED,
    ConsentItem,
    ConsentItems,
    ContactItem,
    ContactItems,
    ItemOutcome,
    ItemOutcomes,
)
from outreach_service.api.refusals import (
    ALWAYS,
    NotDatedYet,
    consent_error,
    contact_error,
    dated_ahead,
    refusals_as_problems,
)
from outreach_service.contacts import InvalidContact
from outreach_service.domain.consents import Refused
from outreach_service.handlers.preferences import save_consents, save_contacts
from outreach_service.ports.store import ContactCipher, Stores
from rapport_runtime.http.errors import field_errors
from rapport_runtime.http.examples import json_example
from rapport_runtime.http.problems import BodyTooLarge, FieldError, responses

_NO_PHONE = InvalidContact("phone", "is not a phone number")
Item = TypeVar("Item", bound=BaseModel)
Valid = TypeVar("Valid")


def _some_rejected(example: ItemOutcome) -> dict[int | str, dict[str, Any]]:
    """The answer 207, for a route's `responses=`."""
    items = [ANY_SAVED, example.model_dump()]
    return {
        207: {
            "model": ItemOutcomes,
            "description": "At least one item was rejected; the others are saved.",
            **json_example({"items": items}),
        }
    }


def bulk_router(stores: Stores, cipher: ContactCipher, serves: Collection[str] | None) -> APIRouter:
    """Contacts and consents of many clients at once; `serves` as in `clients_router`."""
    router = APIRouter(prefix="/v1", tags=["clients"])

    @router.post(
        "/contacts",
        responses=_some_rejected(_rejected(1, contact_error(_NO_PHONE)))
        | responses(*ALWAYS, NotDatedYet, BodyTooLarge),
    )
    def post_contacts(
        body: ContactItems, principal: ContactsWriter, response: Response
    ) -> ItemOutcomes:
        """Set up to 1,000 contacts; one that is wrong does not stop the others.

        207 means that some were rejected; each of their outcomes gives the reason. Safe to repeat.
        """
        read = contact_reader(stores, serves, principal.practice)
        updates, outcomes = _validated(
            body.items, ContactItem, lambda item: read(item.client_id, item)
        )
        if updates:
            with refusals_as_problems():
                saved = save_contacts(stores, cipher, principal.practice, updates)
            refused = {n: each for n, each in enumerate(saved) if isinstance(each, Refused)}
            _reject(outcomes, refused, dated_ahead)
        return _answer(outcomes, response)

    @router.post(
        "/consents",
        responses=_some_rejected(_rejected(1, consent_error(Refused.IN_THE_FUTURE)))
        | responses(*ALWAYS, NotDatedYet, BodyTooLarge),
    )
    def post_consents(
        body: ConsentItems, principal: ConsentsWriter, response: Response
    ) -> ItemOutcomes:
        """Record up to 1,000 consents; one that is wrong does not stop the others.

        207 means that some were rejected; each of their outcomes gives the reason. Safe to repeat:
        a statement that was recorded before changes nothing.
        """
        statements, outcomes = _validated(
            body.items, ConsentItem, lambda item: consent_statement(item.client_id, item)
        )
        if statements:
            with refusals_as_problems():
                refused = save_consents(stores, principal.practice, statements, principal.key_id)
            _reject(outcomes, refused, consent_error)
        return _answer(outcomes, response)

    return router


def _validated(
    items: Sequence[Any], kind: type[Item], convert: Callable[[Item], Valid]
) -> tuple[list[Valid], list[ItemOutcome]]:
    """The valid items, converted, and the outcome of each item if saving succeeds."""
    valid: list[Valid] = []
    outcomes: list[ItemOutcome] = []
    for index, item in enumerate(items):
        try:
            valid.append(convert(kind.model_validate(item)))
        except ValidationError as invalid:
            outcomes.append(_rejected(index, field_errors(invalid.errors())[0]))
        except InvalidContact as invalid:
            outcomes.append(_rejected(index, contact_error(invalid)))
        else:
            outcomes.append(ItemOutcome(index=index, outcome="saved"))
    return valid, outcomes


def _reject(
    outcomes: list[ItemOutcome],
    refused: Mapping[int, Refused],
    error: Callable[[Refused], FieldError],
) -> None:
    """Replace the outcomes of refused items; `refused` counts the valid ones alone."""
    saved = [each.index for each in outcomes if each.outcome == "saved"]
    for place, why in refused.items():
        outcomes[saved[place]] = _rejected(saved[place], error(why))


def _rejected(index: int, fault: FieldError) -> ItemOutcome:
    return ItemOutcome(
        index=index,
        outcome="rejected",
        reason=fault.reason,
        pointer=fault.pointer,
        detail=fault.detail,
    )


def _answer(outcomes: list[ItemOutcome], response: Response) -> ItemOutcomes:
    if any(outcome.outcome == "rejected" for outcome in outcomes):
        response.status_code = 207
    return ItemOutcomes(items=outcomes)
