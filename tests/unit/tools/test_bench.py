"""The pure parts of the benches: waits and their shares, whose turn it is, requests and answers."""

import json
import time
from threading import Event
from unittest.mock import Mock

import pytest

from tools.bench import (
    bookings,
    cli,
    figures,
    ingestion_candidates,
    one_worker,
    paced_requests,
)
from tools.bench.doors.door import WARM_UP_SECONDS, waited
from tools.bench.order import Order
from tools.bench.waits import after_warm_up, centile, client_number, in_turn, waits
from tools.proof.claims import engine_benches


def order(**changes: object) -> Order:
    fields: dict[str, object] = {
        "bootstrap": "",
        "database_url": "",
        "records": 4,
        "run": "r",
        "practices": ["south", "west"],
    }
    return Order(**{**fields, **changes})  # type: ignore[arg-type]


class TestNames:
    @pytest.mark.parametrize(
        ("arguments", "names"),
        [
            ([], list(cli.BENCHES)),
            (["--quick"], list(cli.BENCHES)),
            (["--only=scoring,api"], ["scoring", "api"]),
            (["memory", "--quick"], ["memory"]),
        ],
    )
    def test_benches_are_named_with_the_flag_without_it_or_not_at_all(
        self, arguments: list[str], names: list[str]
    ) -> None:
        assert cli.chosen_names(cli.parser().parse_args(arguments)) == names

    def test_a_bench_that_there_is_not_is_refused(self) -> None:
        with pytest.raises(SystemExit):
            cli.parser().parse_args(["--only=scorng"])


def test_the_measured_worker_of_ingestion_has_all_its_settings() -> None:
    here = order(database_url="postgresql+psycopg://127.0.0.1/y", bootstrap="127.0.0.1:9092")
    assert ingestion_candidates.worker_settings(here).record_keyring


class TestWaits:
    def test_waits_are_milliseconds_in_order(self) -> None:
        assert waits({"a": 1.0, "b": 2.0}, {"a": 1.5, "b": 2.25}, until=9.0) == [250.0, 500.0]

    def test_what_has_not_ended_waits_up_to_the_end(self) -> None:
        assert waits({"a": 1.0, "b": 2.0}, {"b": 2.5}, until=4.0) == [500.0, 3000.0]

    def test_what_ends_after_the_bench_has_looked_away_counts_up_to_then(self) -> None:
        assert waits({"a": 1.0}, {"a": 7.0}, until=4.0) == [3000.0]

    @pytest.mark.parametrize(
        ("share", "wait"), [(0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)]
    )
    def test_a_centile_is_a_wait_that_so_many_stay_within(self, share: float, wait: float) -> None:
        assert centile([float(number) for number in range(1, 101)], share) == wait

    def test_of_nothing_there_is_no_centile(self) -> None:
        with pytest.raises(ValueError, match="nothing was sent"):
            centile([], 0.99)

    def test_what_was_sent_in_the_warm_up_does_not_count(self) -> None:
        sent = {"a": 10.0, "b": 10.9, "c": 11.0, "d": 12.0}
        assert set(after_warm_up(sent, 1.0)) == {"c", "d"}
        assert after_warm_up({}, 1.0) == {}

    def test_a_door_tells_how_many_had_not_ended(self) -> None:
        late = 10.0 + WARM_UP_SECONDS
        sent = {"warm": 10.0, "a": late, "b": late, "c": late}
        found = waited(sent, {"a": late + 1, "b": late + 9}, until=late + 5)
        assert (list(found.waits), found.unended) == ([1000.0, 5000.0, 5000.0], 2)
        assert found.p99 == 5000.0


class TestOrderOfSending:
    def test_practices_take_turns(self) -> None:
        names = ["north", "south", "west"]
        assert [in_turn(names, index) for index in range(5)] == [*names, "north", "south"]

    def test_every_fourth_event_is_about_one_client_and_the_others_take_turns(self) -> None:
        numbers = [client_number(index, 4) for index in range(12)]
        assert numbers == [0, 2, 3, 1, 0, 3, 1, 2, 0, 1, 2, 3]

    def test_each_practice_has_events_of_its_own_with_ids_of_the_run(self) -> None:
        made = list(bookings.events("run", 4, ["south", "west"]))
        assert [event["practiceid"] for event in made] == ["south", "west", "south", "west"]
        assert [event["id"] for event in made] == ["run-0", "run-1", "run-2", "run-3"]

    def test_the_clients_turns_go_on_from_batch_to_batch(self) -> None:
        whole = [event["subject"] for event in bookings.events("run", 12, ["south"])]
        parts = [
            event["subject"]
            for first in (0, 5, 10)
            for event in bookings.events("run", min(5, 12 - first), ["south"], first)
        ]
        assert parts == whole

    def test_of_many_clients_each_has_its_turn(self) -> None:
        made = bookings.events("run", 5, ["south"], 4, clients=3)
        assert [event["subject"] for event in made] == [f"client-{n}" for n in (1, 2, 0, 1, 2)]


class TestRequests:
    def test_at_a_pace_each_request_has_its_instant_and_its_practices_key(self) -> None:
        wanted = {"keys": {"south": "s", "west": "w"}, "paths": {"south": ["/a"], "west": ["/b"]}}
        planned = list(paced_requests.plan(order(rate=2.0, requests=wanted)))
        assert [each.due for each in planned] == [0.0, 0.5, 1.0, 1.5]
        assert planned[1].request == (
            b"GET /b HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer w\r\n\r\n"
        )

    @pytest.mark.parametrize(("batch", "ids"), [(0, "r-1-0"), (2, ["r-1-0", "r-1-1"])])
    def test_a_post_holds_one_event_or_a_batch_of_one_practice(
        self, batch: int, ids: str | list[str]
    ) -> None:
        wanted = {"keys": {"south": "s", "west": "w"}, "batch": batch}
        second = list(paced_requests.plan(order(requests=wanted)))[1].request
        head, _, body = second.partition(b"\r\n\r\n")
        sent = json.loads(body)
        assert (sent["id"] if batch == 0 else [event["id"] for event in sent]) == ids
        assert b"Bearer w" in head
        assert paced_requests.length_of(head + b"\r\n\r\n") == len(body)

    def test_an_answers_head_tells_its_status_and_its_length(self) -> None:
        head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nretry-after: 1\r\n\r\n"
        assert (paced_requests.status_of(head), paced_requests.length_of(head)) == (503, 12)
        assert paced_requests.length_of(b"HTTP/1.1 204 No Content\r\n\r\n") == 0


def test_first_in_first_out_must_be_short_where_everything_stands_in_one_line() -> None:
    lines = [
        figures.at_most("bus, booking to activity", [9.0], 2),
        figures.plain("  capacity", "1"),
        figures.at_most("messages, due to answered", [1.5], 2),
        figures.at_most("REST, one event accepted", [9.0], 2),
    ]
    claims = list(engine_benches.first_in_first_out(lines))
    assert [(claim.goal, claim.ok) for claim in claims] == [("> 2", True), ("> 2", False)]


def test_a_worker_has_ended_when_nothing_is_left_for_its_next_turns() -> None:
    consumer, loop, handler = Mock(), Mock(), Mock()
    consumer.end_offsets.return_value = {}
    loop.turn.return_value = 1
    handler.may_wait.side_effect = [False, False, True]
    deadline = time.monotonic() + 60
    assert one_worker._to_the_end(consumer, handler, loop, Event(), Mock(), deadline) == 2
