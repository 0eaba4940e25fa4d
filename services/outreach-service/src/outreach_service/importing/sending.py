"""What a file tells goes out in batches: clients are found, contacts put, consents recorded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from outreach_service.importing.calls import Api
from rapport_files.people_rows import Contact, Statement, Told
from rapport_files.problems import WHOLE_LINE, Problem
from rapport_files.said import Said, said

BATCH: Final = 200
"""Contacts and consents of one batch: bodies of half a megabyte at most, of the one that an API
takes; few enough that who else calls waits for no long write."""

_CORRECT: Final = said("correct the line, or take it out of the file")
_WAYS_OUT: Final[Mapping[str, Said]] = MappingProxyType(
    {
        "invalid-address": said("correct the address, or empty the cell"),
        "conflicting-duplicate": said(
            "what has changed is a new statement: give it a statement_id of its own"
        ),
        "stated-in-the-future": said("correct the date"),
    }
)
"""Reason of a refusal -> its way out, where the reason's own words have none."""
_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{f"/{name}": name for name in ("name", "language", "zone", "valid_from", "stated_at")},
        **{f"/{name}": name for name in ("channel", "purpose", "evidence", "text_version")},
        "/id": "statement_id",
        "/granted": "consent",
    }
)
"""Where in an item -> the field of the file."""
_ADDRESS: Final = MappingProxyType({"sms": "phone", "email": "email", "wechat": "openid"})


class Apis(NamedTuple):
    """The APIs that are called."""

    ingestion: Api
    outreach: Api


@dataclass(kw_only=True)
class Sent:
    """What became of a batch: how many contacts and consents are there now, of how many; and what
    was refused by line."""

    told: int
    contacts: int = 0
    consents: int = 0
    refused: list[Problem] = field(default_factory=list)


def batches(told: Iterable[Told], size: int = BATCH) -> Iterator[list[Told]]:
    """What a file tells, in batches of `size`."""
    rest = iter(told)
    while batch := list(islice(rest, size)):
        yield batch


class Sender:
    """Tells the APIs what a file tells. A batch told twice changes nothing more."""

    def __init__(self, apis: Apis, namespace: str, headers: Mapping[str, str]) -> None:
        """`headers` are the file's own words for its fields."""
        self._apis = apis
        self._namespace = namespace
        self._headers = headers

    def send(self, batch: Sequence[Told]) -> Sent:
        """Tell a batch. Raises `Refused`, `Stopped`."""
        sent = Sent(told=len(batch))
        known = self._clients(batch, sent)
        contacts = [each for each in batch if isinstance(each, Contact) and each.client in known]
        consents = [each for each in batch if isinstance(each, Statement) and each.client in known]
        items = [_contact(each, known[each.client]) for each in contacts]
        sent.contacts = self._post("/v1/contacts", contacts, items, sent)
        items = [_consent(each, known[each.client]) for each in consents]
        sent.consents = self._post("/v1/consents", consents, items, sent)
        return sent

    def _clients(self, batch: Sequence[Told], sent: Sent) -> Mapping[str, str]:
        """The file's number of a client -> the client's id, of those that are known."""
        wanted = list(dict.fromkeys(each.client for each in batch))
        items = [{"namespace": self._namespace, "external_id": each} for each in wanted]
        answered = self._apis.ingestion.post("/v1/clients/lookup", items)
        known = {
            number: str(found["client"]["client_id"])
            for number, found in zip(wanted, answered, strict=True)
            if found.get("client")
        }
        lines = {each.line: None for each in batch if each.client not in known}
        sent.refused += [self._unknown(line) for line in lines]
        return known

    def _unknown(self, line: int) -> Problem:
        return Problem(
            line,
            self._headers.get("client_id", "client_id"),
            said("is no client of this practice in the namespace"),
            said("send the client's first event, or PUT /v1/clients, and give the file again"),
        )

    def _post(
        self, path: str, told: Sequence[Told], items: list[dict[str, Any]], sent: Sent
    ) -> int:
        """Send items; how many are saved. Those that are refused are kept by line."""
        if not items:
            return 0
        outcomes = self._apis.outreach.post(path, items)
        saved = 0
        for each, outcome in zip(told, outcomes, strict=True):
            if outcome.get("outcome") == "saved":
                saved += 1
            else:
                sent.refused.append(self._problem(each, outcome))
        return saved

    def _problem(self, told: Told, outcome: Mapping[str, Any]) -> Problem:
        reason = str(outcome.get("reason") or "rejected")
        detail = said(str(outcome.get("detail") or reason))
        return Problem(told.line, self._column(told, outcome), detail, _way_out(reason))

    def _column(self, told: Told, outcome: Mapping[str, Any]) -> str:
        pointer = str(outcome.get("pointer") or "")
        if pointer == "/address":
            names = [_ADDRESS[told.channel], "address"]
            return next((self._headers[each] for each in names if each in self._headers), names[0])
        name = _FIELDS.get(pointer)
        return WHOLE_LINE if name is None else self._headers.get(name, name)


def _way_out(reason: str) -> Said:
    return _WAYS_OUT.get(reason, _CORRECT)


def _contact(told: Contact, client_id: str) -> dict[str, Any]:
    item = {
        "client_id": client_id,
        "channel": told.channel,
        "address": told.address,
        "name": told.name,
        "language": told.language,
    }
    if told.valid_from is not None:
        item["valid_from"] = told.valid_from.isoformat()
    return item if told.zone is None else {**item, "zone": told.zone}


def _consent(told: Statement, client_id: str) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "id": told.id_for(client_id),
        "stated_at": told.stated_at.isoformat(),
        "channel": told.channel,
        "purpose": told.purpose,
        "granted": told.granted,
        "evidence": told.evidence,
        "text_version": told.text_version,
    }
