"""Whatever bytes come, the codec gives an event or says why not, without repeating them."""

import json
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from rapport_contracts import schemas
from rapport_contracts.catalogue import CANONICAL, SOURCE
from rapport_contracts.codec import decode, decode_source
from rapport_contracts.errors import InvalidEvent, InvalidReason

REASONS = get_args(InvalidReason)
KEY = b"mei-of-crane-hill"
CANARY = "WeepingHeron-13800138000"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just(CANARY)
    | st.sampled_from([f"x' - at `$.{CANARY}`", f"field `{CANARY}`", "\x00"])
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
WELL_FORMED = [
    (topic, (schemas.DIRECTORY.parent / "examples" / path).read_bytes())
    for topic, path in (
        ("source.payments.v1", "rapport.payment.settled.v1/first-hour.json"),
        ("source.bookings.v1", "rapport.booking.created.v1/first-hour.json"),
        ("client-activity.v1", "rapport.activity.recorded.v1/settled.json"),
        ("tier-changes.v1", "rapport.tier.changed.v1/upgraded-by-activity.json"),
    )
]


def pointers(node: Any, here: str = "") -> list[str]:
    """Every place in a document."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    found = []
    for name, child in pairs:
        found.append(f"{here}/{name}")
        if isinstance(child, (dict, list)):
            found += pointers(child, f"{here}/{name}")
    return found


def judged(topic: str, value: bytes) -> InvalidEvent | None:
    """None if it is an event; nothing but InvalidEvent may be raised."""
    codec = decode if topic in CANONICAL else decode_source
    try:
        codec(topic, KEY, value)
    except InvalidEvent as found:
        return found
    return None


class TestWhateverComes:
    @given(value=st.binary(), topic=st.sampled_from([*SOURCE, *CANONICAL]))
    def test_arbitrary_bytes_are_refused(self, value: bytes, topic: str):
        assert judged(topic, value) is not None

    @given(st.data())
    def test_an_event_with_a_few_bytes_changed_is_an_event_or_refused(self, data: st.DataObject):
        topic, value = data.draw(st.sampled_from(WELL_FORMED))
        start = data.draw(st.integers(0, len(value)))
        end = data.draw(st.integers(start, min(start + 4, len(value))))
        found = judged(topic, value[:start] + data.draw(st.binary(max_size=4)) + value[end:])
        assert found is None or found.reason in REASONS

    @given(st.data())
    def test_an_event_with_another_value_somewhere_is_refused_without_repeating_it(
        self, data: st.DataObject
    ):
        topic, value = data.draw(st.sampled_from(WELL_FORMED))
        document = json.loads(value)
        pointer = data.draw(st.sampled_from(pointers(document)))
        raw = json.dumps(data.draw(json_values)).encode()
        *way, last = pointer.strip("/").split("/")
        node = document
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node[part]
        node[int(last) if isinstance(node, list) else last] = "@@"
        found = judged(topic, json.dumps(document).encode().replace(b'"@@"', raw))
        if found is not None:
            assert CANARY not in found.detail
            assert found.field is None or found.field == "" or found.field.startswith("/")
