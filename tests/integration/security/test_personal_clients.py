"""Where a source knows its clients by e-mail address or phone number, neither is kept (ADR 49).

Marked ones, in several spellings, come by REST, by the bus and in files, and wait in every way in
which something waits. Then every table of ingestion and scoring is searched, every topic of ours,
each dead letter and the log.
"""

import io
import json
import re
import threading
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest
from prometheus_client import generate_latest

import scoring_service
from ingestion_service.consumers import SourceConsumer
from ingestion_service.domain import turns
from ingestion_service.importing import running
from rapport_contracts import topics
from rapport_devkit.databases import ServiceDatabase
from rapport_devkit.postgres import Postgres
from rapport_runtime.bus.memory import MemoryBus
from tests.support.access_matrix.world import STRANGER
from tests.support.servers.whole_databases import cells
from tests.support.worlds.door import WAYS, Door, booked, door, paid
from tests.support.worlds.scoring import Log, ScoringWorld

pytestmark = pytest.mark.integration
RULEBOOK = json.loads(
    (Path(scoring_service.__file__).parent / "rulebooks" / "rfm.json").read_text("utf-8")
)
NAME, NUMBER = "kanari.vogelsang", "13912345678"
EMAILS = (
    "kanari.vogelsang@practice.com",
    "Kanari.Vogelsang@Practice.com",
    "KANARI.VOGELSANG@PRACTICE.COM",
)
PHONES = ("+8613912345678", "+86 139 1234 5678", "139-1234-5678", "＋８６ （139） 12345678")
SPELLINGS = (*EMAILS, *PHONES)
FILLED = frozenset(
    {
        *(
            "ingestion identity.external_id",
            "ingestion ledger.event_id",
            "scoring client.client_id",
        ),
        *("client-activity.v1", "practices.v1", "log", "metrics"),
    }
)
"""What the search has looked at, at least: columns, topics, and the rest."""
UNREADABLE = ("kanari.vogelsang", "kanari.vogelsang@", "1391234567813912345678")
"""No e-mail address and no number that can be dialled: refused, and not repeated."""


class House:
    """The practice's door, and scoring behind it."""

    def __init__(self, at: Door, scoring: ScoringWorld, log: io.StringIO) -> None:
        self.door = at
        self.scoring = scoring
        self.log = log
        self.databases: dict[str, str] = {}

    def search(self) -> None:
        """Let ingestion do what is left; then nothing shows."""
        self.door.work()
        self.search_now()

    def search_now(self) -> None:
        """Nothing shows, when scoring has read all; and each kind of place has something in it."""
        self.scoring.read_all()
        places = defaultdict(list, log=self.log.getvalue().splitlines())
        for service, url in self.databases.items():
            for place, cell in cells(url):
                places[f"{service} {place}"].append(cell)
        for topic, text in published(self.door.bus, is_ours=True):
            places[topic].append(text)
        places["metrics"] += generate_latest().decode().splitlines()
        assert places.keys() >= FILLED
        assert found(places) == {}

    def letters(self) -> str:
        """All dead letters, as the API shows them to whoever may see them."""
        return "".join(
            str(self.door.get(f"/v1/dead-letters/{one['id']}", holder)) + str(one)
            for holder in ("practice", "operator")
            for one in self.door.get("/v1/dead-letters", holder)["items"]
        )


def traces(text: str) -> list[str]:
    """What of the marked ones is in a text, however it is spelt there; also escaped, as in JSON."""
    whole = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    plain = unicodedata.normalize("NFKC", whole).lower()
    digits = re.sub(r"\D", "", plain)
    return [mark for mark, where in ((NAME, plain), (NUMBER, digits)) if mark in where]


def found(places: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The places in which something shows, with what it is."""
    seen = {
        place: sorted({one for text in texts for one in traces(text)})
        for place, texts in places.items()
    }
    return {place: some for place, some in seen.items() if some}


def published(bus: MemoryBus, *, is_ours: bool) -> Iterator[tuple[str, str]]:
    """Each record of our topics or of those that sources write, whole, with its topic."""
    for partition, records in bus.logs.items():
        if partition.topic.startswith("source.") != is_ours:
            for each in records:
                key, value = each.key or b"", each.value or b""
                yield partition.topic, f"{key.decode()} {value.decode()} {each.headers}"


@pytest.fixture
def house(
    service_database: Callable[[str], ServiceDatabase],
    postgres: Postgres,
    tmp_path: Path,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[House]:
    monkeypatch.setattr(running, "stop_on_signals", threading.Event)
    urls, of_scoring = service_database("ingestion"), service_database("scoring")
    with door(urls, tmp_path, region="CN") as at:
        scoring = ScoringWorld(Log(bus=at.bus), of_scoring, RULEBOOK, records=5_000)
        made = House(at, scoring, log)
        made.databases = {
            "ingestion": postgres.url(urls.name),
            "scoring": postgres.url(of_scoring.name),
        }
        yield made
        scoring.database.close()


def test_the_search_finds_what_is_there(house: House) -> None:
    house.door.publish(*(booked("calendar", each).document() for each in SPELLINGS))
    shown = list(published(house.door.bus, is_ours=False))
    assert len(shown) == len(SPELLINGS)
    assert [len(traces(text)) for _, text in shown] == [1] * len(SPELLINGS)


@pytest.mark.parametrize("way", WAYS)
def test_one_person_in_every_spelling_is_one_client_and_shows_nowhere(
    house: House, way: str
) -> None:
    at = house.door
    at.declare("calendar", client_key="personal")
    told = [
        one
        for number, each in enumerate(SPELLINGS)
        for one in (
            booked("calendar", each, f"b{number}"),
            paid("calendar", each, f"p{number}", payer=SPELLINGS[number - 1]),
        )
    ]
    at.send(way, *told)
    by_mail, by_phone = sorted(at.clients(), key=lambda one: at.did(one["client_id"])["completed"])
    assert at.did(by_mail["client_id"])["completed"] == len(EMAILS)
    assert at.did(by_phone["client_id"])["completed"] == len(PHONES)
    shown = [one["external_id"] for client in at.clients() for one in client["identities"]]
    assert set(shown) == {"personal"}
    house.search()


def test_what_is_registered_looked_up_and_related_shows_nowhere(house: House) -> None:
    at = house.door
    at.declare("calendar", client_key="personal")
    person = at.register(*(("calendar", each) for each in SPELLINGS))
    asked = [{"namespace": "calendar", "external_id": each} for each in SPELLINGS]
    answer = at.api.call(
        "POST", "/v1/clients/lookup", at.api.keys["practice"], json={"items": asked}
    )
    found_clients = [one["client"]["client_id"] for one in answer.json()["items"]]
    assert found_clients == [person] * len(SPELLINGS)
    relation = {"kind": "payer", "payer": asked[0], "client": asked[-1]}
    related = at.api.put("practice", "/v1/relations", relation)
    listed = at.get(f"/v1/relations?{urlencode(asked[0])}")
    refused = [
        at.api.call("PUT", "/v1/clients", at.api.keys["practice"], json={**asked[0], **one})
        for one in ({"external_id": each} for each in UNREADABLE)
    ]
    assert {one.status_code for one in refused} == {422}
    answers = [answer.text, str(related), str(listed), *(one.text for one in refused)]
    assert [traces(one) for one in answers] == [[]] * len(answers)
    at.send("REST", booked("calendar", EMAILS[0]))
    house.search()


def test_what_waits_shows_nowhere_while_it_waits_and_afterwards(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a declaration, for a client, and in the queue of a practice that floods."""
    at = house.door
    at.declare("calendar", client_key="personal")
    at.declare("cards", client_key="personal", creates_clients=False)
    at.send("REST", booked("calendar", EMAILS[0]))
    at.send("bus", *(booked("later", each, f"l{n}") for n, each in enumerate(SPELLINGS)))
    for number, way in enumerate(WAYS):
        at.send(way, paid("cards", PHONES[number], f"c{number}"), paid("cards", EMAILS[0], way))
    assert at.source("later")["waiting"] == len(SPELLINGS)
    assert at.source("cards")["parked"] == 2 * len(WAYS)
    monkeypatch.setattr(turns, "CAPACITY", 4)
    beside = {"name": STRANGER, "zone": "Asia/Shanghai", "currency": "CNY"}
    at.api.put("operator", f"/v1/practices/{STRANGER}", beside)
    quiet = booked("desk", "ada").document() | {"practiceid": STRANGER}
    flood = [booked("calendar", SPELLINGS[n % 7], f"f{n}").document() for n in range(30)]
    at.publish(*flood, quiet)
    with monkeypatch.context() as patch:
        patch.setattr(SourceConsumer, "after_commit", lambda *_: None)  # what waits goes on later
        at.work(turns=1)
    assert at.count("deferred") > 0
    house.search_now()
    at.declare("later", client_key="personal")
    at.register(("calendar", EMAILS[-1]), ("cards", EMAILS[0]))
    while at.count("deferred") or at.source("later")["waiting"]:
        at.work()
    assert at.source("cards")["parked"] == len(WAYS)
    house.search()


def test_what_is_refused_shows_nowhere(house: House) -> None:
    """As a problem, as a dead letter, and as a line of a file."""
    at = house.door
    at.declare("calendar", client_key="personal")
    at.send("REST", booked("calendar", EMAILS[0]))
    good = paid("calendar", EMAILS[1], "p1", payer=PHONES[1]).document()
    bad = [
        *({**good, "id": f"u{number}", "subject": each} for number, each in enumerate(UNREADABLE)),
        *(
            {**good, "id": f"v{number}", "data": good["data"] | {"payer": each}}
            for number, each in enumerate(UNREADABLE)
        ),
        {**good, "id": "b1"},
        {**good, "id": "w1", "practiceid": "nowhere"},
        {**good, "id": "w2", "data": good["data"] | {"currency": PHONES[0]}},
        {**good, "id": "w3", "data": good["data"] | {"currency": "EUR"}},
        {**good, "id": "w4", "time": EMAILS[0]},
        {**good, "id": "w5", "subject": PHONES[0], "data": {"booking_id": "b1"}}
        | {"type": "rapport.booking.completed.v1"},
    ]
    key, answers = at.api.keys["practice"], []
    for each in bad:
        answer = at.api.call("POST", "/v1/events", key, json=each)
        assert answer.status_code in {409, 422}, answer.text
        answers.append(answer.text)
    at.publish(*bad)
    whole = json.dumps(good).encode()
    at.bus.append(topics.SOURCE_PAYMENTS.name, 0, EMAILS[0].encode(), whole[:-1])
    at.bus.append(topics.SOURCE_PAYMENTS.name, 0, None, whole)
    at.work()
    letters = house.letters()
    for reason in ("unreadable-key", "not-json", "unknown-practice", "conflicting-duplicate"):
        assert reason in letters
    lines = "".join(
        f"{each},2026-03-01,completed,x{number},,,\n"
        for number, each in enumerate((*UNREADABLE, EMAILS[0]))
    )
    told = at.give_text(
        "calendar", f"client_id,happened_at,event,id,amount,currency,payer\n{lines}"
    )
    assert f"refused: {len(UNREADABLE)}" in told[0]
    shown = [*answers, letters, *told]
    assert [traces(one) for one in shown] == [[]] * len(shown)
    house.search()
