"""Whatever the contracts admit, scoring folds, keeps and shows: it has no range of its own."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_contracts import canonical, codec, topics
from rapport_contracts.ranges import EARLIEST, FIRST_DAY, LAST_DAY, LATEST, zones
from scoring_service import translate
from scoring_service.api.fast.tier_route import tier_json
from scoring_service.domain.facts import KNOWN_KINDS
from scoring_service.handlers import PartitionFacts, TierAssessor, fold_facts, sweep
from scoring_service.ports import ClientKey
from tests.support.generators.tier_histories import RULEBOOK
from tests.support.memory.scoring import MemoryStores, MemoryTiers

ADA = ClientKey("harbour", "ada")
INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from((-(2**63), 2**63 - 1)))
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=200)
OFFSETS = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
INSTANTS = st.builds(
    lambda instant, zone: instant.replace(tzinfo=UTC).astimezone(zone),
    st.datetimes(
        EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None) - timedelta(microseconds=1)
    ),
    OFFSETS,
)
ATTRIBUTES = st.dictionaries(TEXT, TEXT | st.integers(-(2**63), 2**63 - 1) | st.booleans())


@st.composite
def activities(draw: st.DrawFn) -> list[canonical.ActivityRecorded]:
    """Some activities of one client, within what the contracts' schemas and ranges admit."""
    zone = draw(st.sampled_from(sorted(zones())))
    sequences = st.one_of(st.integers(1, 12), st.integers(1, 2**62))
    numbers = draw(st.lists(sequences, min_size=1, max_size=8, unique=True))
    days = draw(st.lists(st.dates(FIRST_DAY, LAST_DAY), min_size=1, max_size=3))
    return [
        canonical.ActivityRecorded(
            id=draw(TEXT),
            source="test",
            time=EARLIEST,
            practiceid="harbour",
            data=canonical.Activity(
                client_id="ada",
                generation=1,
                sequence=number,
                kind=draw(st.sampled_from(sorted(KNOWN_KINDS))),
                on=draw(st.sampled_from(days)),
                zone=zone,
                count=draw(INT32),
                amount_minor=draw(INT64),
                occurred_at=draw(INSTANTS),
                accepted_at=draw(INSTANTS),
                refers_to=draw(st.none() | TEXT),
                backfill=draw(st.booleans()),
                attributes=draw(ATTRIBUTES),
            ),
        )
        for number in numbers
    ]


@settings(deadline=None)
@given(activities(), st.none() | INSTANTS, INSTANTS)
def test_what_the_contracts_admit_is_folded_kept_and_shown(
    sent: list[canonical.ActivityRecorded], business_time: datetime | None, later: datetime
) -> None:
    stores = MemoryStores(RULEBOOK, translate.tier_changed(RULEBOOK))
    facts = []
    for event in sent:
        decoded = translate.decode(topics.CLIENT_ACTIVITY.name, b"ada", codec.encode(event))
        assert isinstance(decoded, canonical.ActivityRecorded)
        facts.append(translate.numbered(decoded))
    with stores.open() as store:
        batch = [PartitionFacts(0, business_time, {ADA: facts})]
        assert fold_facts(store.clients, RULEBOOK, batch) == ([], [], [], [])
        store.await_first_assessment(0, business_time or later)
    stores.rows.processed[0] = max(later, business_time or later)
    with stores.open() as store:
        assert sweep(store, RULEBOOK, [0]).is_done
        state = store.clients.load([ADA])[ADA]
    kept = {
        (kind, day): net
        for kind in ("completed", "no_show", "settled", "refunded")
        for day, net in zip(state.digest.days, getattr(state.digest, kind), strict=True)
        if net
    }
    assert kept == {place: net for place, net in _nets(sent).items() if net}
    assert state.last_sequence == max(event.data.sequence for event in sent)
    (stored,) = MemoryTiers(stores).of_clients("harbour", ["ada"])
    assert tier_json(TierAssessor(lambda: [RULEBOOK]).tier(stored))
    for row in stores.rows.outbox:
        codec.decode(row.topic, row.key, row.value)


def _nets(sent: list[canonical.ActivityRecorded]) -> Counter[tuple[str, int]]:
    """What each day's sums must be, of the kinds that have any."""
    nets: Counter[tuple[str, int]] = Counter()
    for event in sent:
        data = event.data
        if data.kind in {"completed", "no_show"}:
            nets[data.kind, data.on.toordinal()] += data.count
        elif data.kind in {"settled", "refunded"}:
            nets[data.kind, data.on.toordinal()] += data.amount_minor
    return nets
