"""What holds for each adapter, whichever system it reads."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rapport_adapters.adapter import Adapter, Told
from rapport_adapters.catalogue import ADAPTERS
from rapport_adapters.errors import SignatureRefused, Unreadable
from rapport_contracts.codec import MAX_VALUE_BYTES
from tests.unit.rapport_adapters.senders import (
    API_V3_KEY,
    CALCOM,
    MAPPING,
    NOW,
    OLD_SECRET,
    PRACTICE,
    SAMPLES,
    SECRET,
    STRIPE,
    Headers,
    calcom_headers,
    mapping_headers,
    sample,
    seal,
    sealed,
    stripe_headers,
    wechat_headers,
    wechat_settings,
)


class System(NamedTuple):
    """One system as it sends."""

    name: str
    adapter: Adapter[Any]
    settings: Any
    body: bytes
    headers: Callable[[bytes], Headers]


SYSTEMS = {
    "calcom": System(
        "calcom", ADAPTERS["calcom"], CALCOM, sample("calcom", "created-for-two"), calcom_headers
    ),
    "stripe": System(
        "stripe", ADAPTERS["stripe"], STRIPE, sample("stripe", "refund-created"), stripe_headers
    ),
    "wechat_pay": System(
        "wechat_pay",
        ADAPTERS["wechat_pay"],
        wechat_settings(),
        sealed("payment"),
        wechat_headers,
    ),
    "mapping": System(
        "mapping",
        ADAPTERS["mapping"],
        MAPPING,
        sample("mapping", "a-day-of-the-desk"),
        mapping_headers,
    ),
}
EVERY = pytest.mark.parametrize("system", SYSTEMS.values(), ids=list(SYSTEMS))
BY_SECRET = pytest.mark.parametrize("name", ["calcom", "stripe"])


def test_every_adapter_is_tested_here() -> None:
    assert SYSTEMS.keys() == ADAPTERS.keys()


@pytest.mark.parametrize("folder", list(SYSTEMS))
def test_every_sample_stands_in_a_table(folder: str) -> None:
    table = (SAMPLES.parent / f"test_{folder}.py").read_text("utf-8")
    names = [each.stem for each in (SAMPLES / folder).glob("*.json")]
    assert names
    assert [name for name in names if f'"{name}"' not in table] == []


@EVERY
def test_what_the_system_signed_passes(system: System) -> None:
    system.adapter.verify(system.headers(system.body), system.body, system.settings, NOW)


@EVERY
def test_a_body_altered_in_one_byte_is_refused(system: System) -> None:
    place = system.body.index(b"0")
    altered = system.body[:place] + b"1" + system.body[place + 1 :]
    with pytest.raises(SignatureRefused) as refused:
        system.adapter.verify(system.headers(system.body), altered, system.settings, NOW)
    assert refused.value.reason == "mismatch"


@EVERY
def test_a_blank_behind_the_body_is_an_alteration(system: System) -> None:
    with pytest.raises(SignatureRefused):
        system.adapter.verify(system.headers(system.body), system.body + b" ", system.settings, NOW)


@EVERY
def test_the_case_of_a_headers_name_does_not_matter(system: System) -> None:
    for change in (str.lower, str.upper):
        headers = [(change(name), value) for name, value in system.headers(system.body)]
        system.adapter.verify(headers, system.body, system.settings, NOW)


def signing(system: System) -> list[str]:
    return [name for name, _ in system.headers(system.body) if name != "Content-Type"]


@EVERY
def test_each_signing_header_must_be_there(system: System) -> None:
    for missing in signing(system):
        headers = [pair for pair in system.headers(system.body) if pair[0] != missing]
        for given_headers in (headers, [*headers, (missing, "")]):
            with pytest.raises(SignatureRefused) as refused:
                system.adapter.verify(given_headers, system.body, system.settings, NOW)
            assert refused.value.reason == "missing"


@EVERY
def test_each_signing_header_must_be_there_once(system: System) -> None:
    """Also when both are the same: a proxy may have looked at the one, and we at the other."""
    headers = system.headers(system.body)
    for name, value in headers:
        if name == "Content-Type":
            continue
        for more in ((name, value), (name.lower(), "another")):
            for doubled in ([*headers, more], [more, *headers]):
                with pytest.raises(SignatureRefused) as refused:
                    system.adapter.verify(doubled, system.body, system.settings, NOW)
                assert refused.value.reason == "repeated"


@BY_SECRET
def test_while_a_secret_is_changed_both_hold(name: str) -> None:
    system = SYSTEMS[name]
    headers: Any = {"calcom": calcom_headers, "stripe": stripe_headers}[name]
    both = system.adapter.settings(practice_id=PRACTICE, source=name, secrets=(SECRET, OLD_SECRET))
    for secret in (SECRET, OLD_SECRET):
        system.adapter.verify(headers(system.body, secret=secret), system.body, both, NOW)
    old = headers(system.body, secret=OLD_SECRET)
    with pytest.raises(SignatureRefused) as refused:
        system.adapter.verify(old, system.body, system.settings, NOW)
    assert refused.value.reason == "mismatch"


@BY_SECRET
@pytest.mark.parametrize("secrets", [(), ("",), ("tiny-1",), (SECRET, ""), ("\ud83d" * 8,)])
def test_a_source_without_a_secret_cannot_be_declared(name: str, secrets: Any) -> None:
    """Anybody could sign with an empty one."""
    with pytest.raises(ValidationError) as refused:
        ADAPTERS[name].settings(practice_id=PRACTICE, source=name, secrets=secrets)
    assert {each["loc"][0] for each in refused.value.errors()} == {"secrets"}
    assert "tiny-1" not in str(refused.value)


@EVERY
def test_secrets_are_never_shown(system: System) -> None:
    for shown in (repr(system.settings), str(system.settings), system.settings.model_dump_json()):
        assert SECRET not in shown
        assert API_V3_KEY not in shown


@EVERY
def test_the_same_body_gives_the_same_events(system: System) -> None:
    """A second delivery, on another day, is the same event ids with the same content."""
    first = system.adapter.read(system.body, system.settings)
    assert first.events
    assert system.adapter.read(bytes(system.body), system.settings) == first


@EVERY
def test_a_webhook_tells_events_or_why_not(system: System) -> None:
    for path in sorted((SAMPLES / system.name).glob("*.json")):
        body = sealed(path.stem) if system.name == "wechat_pay" else path.read_bytes()
        told = outcome(system, body)
        if told is not None:
            assert bool(told.events) != bool(told.nothing_because)


@EVERY
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "is not JSON in UTF-8", id="empty"),
        pytest.param(b"{", "is not JSON in UTF-8", id="cut"),
        pytest.param(b'{"a": "\xff"}', "is not JSON in UTF-8", id="no UTF-8"),
        pytest.param(b"[" * 100_000, "is nested too deep", id="too deep"),
        pytest.param(
            b"9" * 10_000, "has a number of too many digits", id="a number of 10,000 digits"
        ),
        pytest.param(
            b'{"a": NaN}', "has NaN, which JSON does not have", id="a number that is none"
        ),
        pytest.param(
            b" " * (MAX_VALUE_BYTES + 1), f"is larger than {MAX_VALUE_BYTES} bytes", id="large"
        ),
        pytest.param(
            b'{"a": {"b": 1, "b": 2}}', "has an object with the same key twice", id="a key twice"
        ),
    ],
)
def test_a_body_that_is_none_is_refused_whole(system: System, body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        system.adapter.read(body, system.settings)
    assert (refused.value.field, refused.value.reason) == ("", reason)


def outcome(system: System, body: bytes) -> Told | None:
    """What is read, or None for what is refused as it must be; anything else fails the test."""
    try:
        return system.adapter.read(body, system.settings)
    except Unreadable as error:
        refused = error
    assert refused.reason
    assert refused.way_out
    return None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ODD = JSON | st.sampled_from(
    ["", "x" * 300, "\ud83d", "a\x00b", " ", -1, 2**63, 1e999, True, [], {}, "9999-99-99T99:99Z"]
)


@EVERY
@given(body=st.binary(max_size=300))
def test_bytes_are_read_or_refused(system: System, body: bytes) -> None:
    outcome(system, body)


@EVERY
@given(headers=st.lists(st.tuples(st.text(), st.text())), data=st.data())
def test_headers_pass_or_are_refused(
    system: System, headers: list[tuple[str, str]], data: st.DataObject
) -> None:
    given_headers = system.headers(system.body)
    odd = data.draw(
        st.lists(
            st.sampled_from(given_headers)
            | st.tuples(st.sampled_from([name for name, _ in given_headers]), st.text()),
            max_size=6,
        )
    )
    for drawn in (headers, odd):
        try:
            system.adapter.verify(drawn, system.body, system.settings, NOW)
        except SignatureRefused:
            continue
        assert all(pair in drawn for pair in given_headers if pair[0] in signing(system))


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a document."""
    children: Any = []
    if isinstance(node, dict):
        children = node.items()
    elif isinstance(node, list):
        children = enumerate(node)
    return [path, *(each for key, child in children for each in places(child, (*path, key)))]


@EVERY
@given(data=st.data())
def test_a_sample_with_odd_values_is_read_or_refused(system: System, data: st.DataObject) -> None:
    """Whatever stands in the place of whatever: events or the one error, and never both."""
    names = sorted((SAMPLES / system.name).glob("*.json"))
    document = json.loads(data.draw(st.sampled_from(names)).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(document)[1:]))
        node = document
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = data.draw(ODD)
    is_sealed = system.name == "wechat_pay"
    outcome(system, seal(document) if is_sealed else json.dumps(document).encode())
