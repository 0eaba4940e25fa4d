"""What each adapter of scoring's `Feed` must do; a test class for each adapter inherits it."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from rapport_runtime.bus.port import Outgoing
from scoring_service.ports import EntriesGone, Feed
from tests.support.worlds.feed import START, at_position, change, event_id, events_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class FeedAdapter(Protocol):
    """An empty feed, and the relay's part of it."""

    feed: Feed

    def publish(self, *rows: Outgoing) -> None:
        """Publish changes on the bus, in this order."""

    def pass_watermark(self, partition: int, up_to: datetime) -> None:
        """Publish a watermark on a partition."""

    def hold(self, practice_id: str, began_at: datetime) -> None:
        """Let a practice be held in a partition."""

    def erase(self, practice_id: str, partition: int, position: int) -> None:
        """Make a tombstone of an entry."""

    def remove(self, practice_id: str, partition: int, position: int) -> None:
        """Take an entry out altogether."""


class FeedSuite:
    """`Feed`: published changes by position."""

    def read(self, feed: Feed, limit: int, practice: str = "harbour") -> list[str]:
        return [event_id(event) for event in events_of(feed.read(practice, START, limit))]

    def test_positions_are_gapless_from_one_and_events_are_as_published(
        self, feeds: FeedAdapter
    ) -> None:
        rows = [change(f"client-{number}", 1) for number in range(20)]
        feeds.publish(*rows[:12])
        feeds.publish(*rows[12:], change("else", 1, practice="lakeside"))
        entries = feeds.feed.read("harbour", START, 100).entries
        for partition in range(feeds.feed.partitions):
            own = [entry for entry in entries if entry.partition == partition]
            assert [entry.position for entry in own] == list(range(1, len(own) + 1))
            assert [entry.event for entry in own] == [
                row.value for row in rows if row.partition == partition
            ]
        assert len(entries) == 20

    def test_a_reader_goes_on_behind_what_it_has_seen(self, feeds: FeedAdapter) -> None:
        feeds.publish(change("ada", 1), change("ada", 2))
        (first,) = feeds.feed.read("harbour", START, 1).entries
        seen = at_position(first.partition, first.position)
        (second,) = feeds.feed.read("harbour", seen, 10).entries
        assert (first.event, second.event) == (
            change("ada", 1).value,
            change("ada", 2).value,
        )
        assert feeds.feed.read("harbour", feeds.feed.head("harbour"), 10).entries == []

    def test_the_next_of_each_partition_comes_before_the_second_of_any(
        self, feeds: FeedAdapter
    ) -> None:
        feeds.publish(*[change("busy", version) for version in range(1, 50)])
        busy = change("busy", 1).partition
        others = [change(f"client-{number}", 1) for number in range(40)]
        feeds.publish(*[row for row in others if row.partition != busy])
        entries = feeds.feed.read("harbour", START, feeds.feed.partitions).entries
        assert {entry.partition for entry in entries} == set(range(feeds.feed.partitions))

    def test_a_practice_reads_its_own_changes_alone(self, feeds: FeedAdapter) -> None:
        feeds.publish(change("ada", 1), change("ben", 1, practice="lakeside"))
        assert self.read(feeds.feed, 10) == ["harbour.ada.rfm.1"]
        assert self.read(feeds.feed, 10, "lakeside") == ["lakeside.ben.rfm.1"]
        assert feeds.feed.head("nobody") == START

    def test_as_of_is_the_least_watermark_and_comes_on_the_last_page_alone(
        self, feeds: FeedAdapter
    ) -> None:
        feeds.publish(change("ada", 1))
        for partition in range(feeds.feed.partitions):
            assert feeds.feed.read("harbour", START, 10).as_of is None
            feeds.pass_watermark(partition, NOON + partition * HOUR)
        assert feeds.feed.read("harbour", START, 10).as_of == NOON
        assert feeds.feed.read("harbour", START, 1).as_of is None

    def test_as_of_is_never_later_than_the_beginning_of_a_hold(self, feeds: FeedAdapter) -> None:
        feeds.hold("harbour", NOON - HOUR)
        feeds.hold("lakeside", NOON + HOUR)
        assert feeds.feed.read("harbour", START, 10).as_of is None
        for partition in range(feeds.feed.partitions):
            feeds.pass_watermark(partition, NOON)
        practices = ("harbour", "lakeside", "quay")
        found = [feeds.feed.read(practice, START, 10).as_of for practice in practices]
        assert found == [NOON - HOUR, NOON, NOON]

    def test_a_tombstone_keeps_its_place(self, feeds: FeedAdapter) -> None:
        feeds.publish(*[change("ada", version) for version in (1, 2, 3)])
        ada = change("ada", 1).partition
        feeds.erase("harbour", ada, 2)
        entries = feeds.feed.read("harbour", START, 10).entries
        assert [entry.position for entry in entries] == [1, 2, 3]
        assert [entry.event for entry in entries] == [
            change("ada", 1).value,
            None,
            change("ada", 3).value,
        ]
        assert feeds.feed.head("harbour") == at_position(ada, 3)
        assert feeds.feed.start("harbour") == START

    def test_the_last_change_erased_the_next_has_the_next_position(
        self, feeds: FeedAdapter
    ) -> None:
        feeds.publish(change("ada", 1))
        ada = change("ada", 1).partition
        feeds.erase("harbour", ada, 1)
        feeds.publish(change("ada", 2))
        (second,) = feeds.feed.read("harbour", at_position(ada, 1), 10).entries
        assert (second.position, second.event) == (2, change("ada", 2).value)

    def test_positions_before_the_first_that_is_left_are_refused_with_those_that_are_not(
        self, feeds: FeedAdapter
    ) -> None:
        ada, others = change("ada", 1).partition, [change(f"client-{n}", 1) for n in range(40)]
        feeds.publish(*[change("ada", version) for version in range(1, 6)])
        feeds.publish(*[row for row in others if row.partition != ada])
        for position in (1, 2, 3):
            feeds.remove("harbour", ada, position)
        left = at_position(ada, 3)
        assert feeds.feed.start("harbour") == left
        for seen in (0, 2):
            with pytest.raises(EntriesGone) as gone:
                feeds.feed.read("harbour", at_position(ada, seen), 1)
            assert gone.value.left == left
        ends = feeds.feed.head("harbour")
        with pytest.raises(EntriesGone) as gone:
            feeds.feed.read("harbour", (*ends[:ada], 2, *ends[ada + 1 :]), 1)
        assert gone.value.left == (*ends[:ada], 3, *ends[ada + 1 :])
        kept = feeds.feed.read("harbour", left, 100).entries
        assert [entry.position for entry in kept if entry.partition == ada] == [4, 5]
        for seen in (3, 4, 5):
            feeds.feed.read("harbour", at_position(ada, seen), 1)

    def test_what_another_practice_lost_is_not_asked_of_this_one(self, feeds: FeedAdapter) -> None:
        feeds.publish(change("ada", 1, practice="lakeside"), change("ada", 2, practice="lakeside"))
        feeds.publish(change("ada", 1))
        feeds.remove("lakeside", change("ada", 1).partition, 1)
        assert self.read(feeds.feed, 10) == ["harbour.ada.rfm.1"]
        assert feeds.feed.start("harbour") == START

    def test_no_page_leads_over_entries_that_are_missing(self, feeds: FeedAdapter) -> None:
        """They cannot be taken out in good order; whoever does it stops no reader silently."""
        feeds.publish(*[change("ada", version) for version in range(1, 6)])
        ada = change("ada", 1).partition
        for partition in range(feeds.feed.partitions):
            feeds.pass_watermark(partition, NOON)
        feeds.remove("harbour", ada, 3)
        page = feeds.feed.read("harbour", START, 10)
        assert ([entry.position for entry in page.entries], page.as_of) == ([1, 2], None)
        with pytest.raises(EntriesGone) as gone:
            feeds.feed.read("harbour", at_position(ada, 2), 10)
        assert gone.value.left == at_position(ada, 3)
        last = feeds.feed.read("harbour", at_position(ada, 3), 10)
        assert ([entry.position for entry in last.entries], last.as_of) == ([4, 5], NOON)
