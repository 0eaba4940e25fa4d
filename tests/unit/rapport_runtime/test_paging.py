"""Pages cover a list once each, and no cursor but our own is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_runtime.http.paging import open_cursor, seal_cursor
from rapport_runtime.http.problems import InvalidCursor
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import PRACTICE, toy_app

SECRET, ABOUT = b"s" * 32, b"/v1/numbers"
keys = st.lists(st.one_of(st.text(st.characters(codec="utf-8")), st.integers()), min_size=1).map(
    tuple
)


def test_following_the_links_visits_everything_once() -> None:
    app = toy_app()
    path, seen = "/v1/numbers?least=3&limit=100", []
    while path:
        response = ask(app, "GET", path, headers=PRACTICE)
        assert response.status_code == 200
        page = response.json()
        seen.extend(page["items"])
        link = response.headers.get("link")
        assert (link is None) == (page["next_cursor"] is None)
        path = "" if link is None else link.removeprefix("<").partition(">")[0]
        if link is not None:
            assert link.endswith('>; rel="next"')
            assert page["next_cursor"] in link
    assert seen == list(range(3, 250))


def test_a_last_page_that_is_full_has_no_cursor() -> None:
    page = ask(toy_app(), "GET", "/v1/numbers?limit=250", headers=PRACTICE).json()
    assert len(page["items"]) == 250
    assert page["next_cursor"] is None


def test_a_cursor_of_other_filters_or_altered_is_refused_by_name() -> None:
    app = toy_app()
    cursor = ask(app, "GET", "/v1/numbers?limit=9", headers=PRACTICE).json()["next_cursor"]
    altered = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for query in (f"cursor={altered}", f"least=1&cursor={cursor}", "cursor=x", "cursor=%E5%BF%83"):
        response = ask(app, "GET", f"/v1/numbers?{query}", headers=PRACTICE)
        assert response.status_code == 400
        assert response.json()["type"] == "urn:rapport:problem:invalid-cursor"
        assert response.json()["errors"][0]["parameter"] == "cursor"


def test_the_limit_may_change_between_pages() -> None:
    app = toy_app()
    cursor = ask(app, "GET", "/v1/numbers?limit=9", headers=PRACTICE).json()["next_cursor"]
    page = ask(app, "GET", f"/v1/numbers?limit=2&cursor={cursor}", headers=PRACTICE).json()
    assert page["items"] == [9, 10]


@given(key=keys)
def test_a_cursor_gives_its_key_back(key: tuple[str | int, ...]) -> None:
    assert open_cursor(SECRET, ABOUT, seal_cursor(SECRET, ABOUT, key)) == key


@given(key=keys, bit=st.integers(min_value=0))
def test_one_altered_byte_is_refused(key: tuple[str | int, ...], bit: int) -> None:
    cursor = seal_cursor(SECRET, ABOUT, key)
    place = bit % (len(cursor) - 1)  # the last letter may hold unused bits
    other = "A" if cursor[place] != "A" else "B"
    with pytest.raises(InvalidCursor):
        open_cursor(SECRET, ABOUT, cursor[:place] + other + cursor[place + 1 :])


def test_another_secret_or_list_is_refused() -> None:
    cursor = seal_cursor(SECRET, ABOUT, ("a",))
    for secret, about in ((b"t" * 32, ABOUT), (SECRET, b"/v1/other")):
        with pytest.raises(InvalidCursor):
            open_cursor(secret, about, cursor)
