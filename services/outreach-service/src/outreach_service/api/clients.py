"""`/v1/clients/{client_id}/…`: one client's contact points and consents, and who read them."""

from collections.abc import Callable, Collection
from datetime import UTC, date
from functools import cache
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from outreach_service.api.preference_schemas import (
    ConsentAnswer,
    ConsentBody,
    ConsentSaved,
    ContactAnswer,
    ContactBody,
    ContactSaved,
    KnownContact,
    PreferencesAnswer,
)
from outreach_service.api.refusals import (
    ALWAYS,
    NO_CLIENT,
    NotDatedYet,
    consent_problem,
    contact_error,
    contact_problem,
    refusals_as_problems,
)
from outreach_service.api.schemas import ClientId, ReadsAnswer
from outreach_service.contacts import InvalidContact, needs_region, normalise, region_of
from outreach_service.domain.consents import ConsentStatement, ContactUpdate, Refused
from outreach_service.domain.terms import Channel
from outreach_service.handlers.preferences import (
    practice_home,
    remove_contact,
    save_consents,
    save_contacts,
    view_preferences,
)
from outreach_service.handlers.reads import list_reads
from outreach_service.ports.reads import Caller, ReadKey
from outreach_service.ports.records import ContactKey
from outreach_service.ports.store import ContactCipher, Stores
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.links import links
from rapport_runtime.http.paging import Page, PageQuery
from rapport_runtime.http.problems import (
    Conflict,
    InvalidCursor,
    InvalidRequest,
    NotFound,
    responses,
)

CONTACTS_SCOPE = "contacts:write"
CONSENTS_SCOPE = "consents:write"
_LEADS_ON = links(200, {"clients-get_preferences": {"client_id": "$response.body#/client_id"}})
ClientPath = Annotated[ClientId, Path()]
_ChannelPath = Annotated[Channel, Path(examples=["sms"])]
ContactsWriter = Annotated[Principal, Depends(require_practice(CONTACTS_SCOPE))]
ConsentsWriter = Annotated[Principal, Depends(require_practice(CONSENTS_SCOPE))]
Reader = Annotated[Principal, Depends(require_practice("preferences:read"))]
ReaderOfReads = Annotated[Principal, Depends(require_practice("reads:read"))]


def clients_router(
    stores: Stores, cipher: ContactCipher, serves: Collection[str] | None
) -> APIRouter:
    """Contact points, consents and preferences of one client, and who read them; `serves` are the
    countries to which SMS can be sent, None for no limit."""
    router = APIRouter(prefix="/v1/clients/{client_id}", tags=["clients"])
    _add_contacts(router, stores, cipher, serves)
    _add_consents(router, stores, cipher)
    _add_reads(router, stores)
    return router


def contact_reader(
    stores: Stores, serves: Collection[str] | None, practice_id: str
) -> Callable[[str, ContactBody], ContactUpdate]:
    """Reads bodies as contacts of the clients that are named, each address in its one spelling; a
    number without country code is one of the practice's country, which is looked up once.

    What it returns raises InvalidContact.
    """

    @cache
    def region() -> str | None:
        home = practice_home(stores, practice_id)
        return None if home is None else region_of(home.region, home.zone)

    def read(client_id: str, body: ContactBody) -> ContactUpdate:
        where = region() if needs_region(body.channel, body.address) else None
        address = normalise(body.channel, body.address, where, serves)
        since = None if body.valid_from is None else body.valid_from.astimezone(UTC)
        return ContactUpdate(
            client_id, body.channel, address, body.name, body.language, since, body.zone
        )

    return read


def consent_statement(client_id: str, body: ConsentBody) -> ConsentStatement:
    """The consent of a body as the domain's type, its instant in UTC."""
    said = body.model_dump(exclude={"client_id", "stated_at"})
    return ConsentStatement(**said, stated_at=body.stated_at.astimezone(UTC), client_id=client_id)


def _add_contacts(
    router: APIRouter, stores: Stores, cipher: ContactCipher, serves: Collection[str] | None
) -> None:
    @router.put("/contacts", responses=responses(*ALWAYS, Conflict, NotDatedYet) | _LEADS_ON)
    def put_contact(
        client_id: ClientPath, body: ContactBody, principal: ContactsWriter
    ) -> ContactSaved:
        """Set how to reach a client on a channel; of several the latest by its time is used.

        `current` says whether messages go to this one. The address is brought into its one spelling
        (full-width digits and spaces are understood), stored encrypted, and never returned again. A
        phone number must be a mobile one, of a country to which SMS can be sent; without a country
        code it is read as one of the practice's region, else of its zone's country. A contact is no
        consent: without a consent that was given for it nothing is sent. One that is dated more
        than 48 hours ahead gets 409.
        """
        try:
            update = contact_reader(stores, serves, principal.practice)(client_id, body)
        except InvalidContact as invalid:
            raise InvalidRequest("1 found", errors=[contact_error(invalid)]) from None
        with refusals_as_problems():
            (saved,) = save_contacts(stores, cipher, principal.practice, [update])
        if isinstance(saved, Refused):
            raise contact_problem(saved)
        shown = ContactAnswer.of(saved.contact).model_dump()
        return ContactSaved(**shown, current=saved.is_current)

    @router.delete("/contacts/{channel}", status_code=204, responses=responses(*ALWAYS, NotFound))
    def delete_contact(
        client_id: ClientPath, channel: _ChannelPath, principal: ContactsWriter
    ) -> None:
        """Delete a client's contact point on a channel.

        Nothing is sent there from then on. 404 when there is none.
        """
        if not remove_contact(stores, ContactKey(principal.practice, client_id, channel)):
            raise NotFound("this client has no contact on this channel")


def _add_consents(router: APIRouter, stores: Stores, cipher: ContactCipher) -> None:
    @router.put("/consents", responses=responses(*ALWAYS, Conflict, NotDatedYet) | _LEADS_ON)
    def put_consent(
        client_id: ClientPath, body: ConsentBody, principal: ConsentsWriter
    ) -> ConsentSaved:
        """Record a client's consent to one purpose on one channel, or its withdrawal.

        Statements are only ever added; the one that the client made last holds. A consent holds for
        the contact that the client had at `stated_at`; another one needs its own. A withdrawal
        holds for all, and for every client who has the same contact, until they consent anew. From
        the answer on it stops every message that is not already on its way. Safe to repeat: the
        same statement with the same `id` changes nothing. Another one with this `id` gets 409, and
        so does a consent dated more than 48 hours ahead.
        """
        statement = consent_statement(client_id, body)
        with refusals_as_problems():
            refused = save_consents(stores, principal.practice, [statement], principal.key_id)
        if refused:
            raise consent_problem(refused[0])
        return ConsentSaved(
            id=body.id,
            stated_at=statement.stated_at,
            client_id=client_id,
            channel=body.channel,
            purpose=body.purpose,
            granted=body.granted,
        )

    @router.get("/preferences", responses=responses(*ALWAYS, NotFound))
    def get_preferences(client_id: ClientPath, principal: Reader) -> PreferencesAnswer:
        """Get a client's contact points and consents.

        Addresses are masked. Of each channel and purpose the client's last statement is shown. A
        contact that rests gets no messages: its provider said that nothing arrives there. The rest
        ends with its time, with a new address, and with a consent to the channel that the client
        states after its beginning. Who gets the answer is recorded: `/v1/clients/{client_id}/reads`
        shows it.
        """
        caller = Caller(principal.practice, principal.key_id)
        found = view_preferences(stores, cipher, caller, client_id)
        if found is None:
            raise NotFound(NO_CLIENT)
        return PreferencesAnswer(
            client_id=client_id,
            contacts=[KnownContact.of(contact) for contact in found.contacts],
            consents=[ConsentAnswer.of(consent) for consent in found.consents],
        )


def _add_reads(router: APIRouter, stores: Stores) -> None:
    @router.get("/reads", responses=responses(*ALWAYS, NotFound, InvalidCursor))
    def list_client_reads(
        client_id: ClientPath, page: PageQuery, principal: ReaderOfReads
    ) -> Page[ReadsAnswer]:
        """List which API keys have read a client's personal data, and when.

        By day, key and kind, the oldest day first; kept for three years unless the deployment has
        set another term. An answer counts that showed a text with the client's name, or contact
        points and consents.
        """
        after = None if page.after is None else _read_key(*map(str, page.after))
        rows = list_reads(stores, principal.practice, client_id, after, page.fetch)
        if rows is None:
            raise NotFound(NO_CLIENT)
        return page.page([ReadsAnswer.of(row) for row in rows], lambda answer: answer.place)


def _read_key(day: str, key_id: str, what: str) -> ReadKey:
    return ReadKey(date.fromisoformat(day), key_id, what)
