"""Plan messages: tier changes settle, and plays answer what they come to."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from outreach_service.domain.gates import likely_channel
from outreach_service.domain.messages import Event, State, advance
from outreach_service.domain.playbook import Play, Playbook, message_id, plays_for
from outreach_service.domain.settling import HeardChange, Window, settle
from outreach_service.domain.terms import Change
from outreach_service.handlers.events import message_event
from outreach_service.ports.records import (
    DueMessage,
    MessageEvent,
    PlannedMessage,
    Saying,
    StateChange,
)
from outreach_service.ports.settling import Client, WindowKey
from outreach_service.ports.store import Store

PlaybookDocument = Mapping[str, Any]
ReadPlaybook = Callable[[PlaybookDocument], Playbook]

REPLACED = "replaced"
"""The reason of a message that a newer occasion of its play has replaced before it began."""


@dataclass(frozen=True)
class Plays:
    """Where the plays come from: `read` reads a playbook's document, and `default` is that of the
    practices which have none of their own."""

    read: ReadPlaybook
    default: PlaybookDocument

    def of(self, store: Store, practice_ids: Collection[str]) -> Mapping[str, "Book"]:
        """The plays of these practices."""
        own = store.inputs.playbooks(practice_ids)
        documents = {each: own.get(each, self.default) for each in practice_ids}
        return {each: Book(self.read(document), document) for each, document in documents.items()}


@dataclass(frozen=True)
class Book:
    """A practice's plays, and the document that they were read from."""

    playbook: Playbook
    document: PlaybookDocument

    @property
    def lengths(self) -> Collection[timedelta]:
        """For how long changes settle, of all plays."""
        return {play.settles_after for play in self.playbook.plays}

    def body(self, play: Play) -> Mapping[str, Any]:
        """The play's own part of the document, which its messages keep."""
        (found,) = [body for body in self.document["plays"] if body["key"] == play.key]
        return dict(found)


class _Answered(NamedTuple):
    """What plays are to answer, due from `at` on: those that settle for so long, or any."""

    change: Change
    partition: int
    at: datetime
    settles_after: timedelta | None

    def plays(self, book: Book) -> list[Play]:
        return [
            play
            for play in plays_for(book.playbook, self.change)
            if self.settles_after in {None, play.settles_after}
        ]


def hear_changes(store: Store, plays: Plays, heard: Sequence[HeardChange]) -> None:
    """Note where clients stand, and let their changes settle; what ends by them is answered.

    A change that comes twice is heard once (F33). The windows are locked before anything else.
    """
    heard = [each for each in heard if each.change.primary]
    if not heard:
        return
    clients = {each.change.client for each in heard}
    windows = {**store.settling.lock_windows(clients)}
    standings = {**store.settling.standings(clients)}
    books = plays.of(store, {practice_id for practice_id, _ in clients})
    before, known = dict(windows), dict(standings)
    answered: list[_Answered] = []
    for each in heard:
        client, standing = each.change.client, each.change.standing
        if not standing.is_after(standings.get(client)):
            continue
        standings[client] = standing
        settled = settle(windows.get(client, {}), each, books[client[0]].lengths)
        windows[client] = settled.open
        answered += _answers(settled.ended)
        if not each.settles:
            answered.append(_Answered(each.change, each.partition, each.change.effective_at, None))
    _save_windows(store, before, windows)
    _plan(store, books, answered)
    store.settling.save_standings(
        {client: each for client, each in standings.items() if each != known.get(client)}
    )


def settle_ended(store: Store, plays: Plays, most: int) -> int:
    """Let plays answer what has settled by what has been read, up to `most` windows; returns how
    many there were."""
    ended = store.settling.take_ended(most)
    if ended:
        books = plays.of(store, {each.change.practice_id for each in ended})
        _plan(store, books, list(_answers(ended)))
    return len(ended)


def _answers(ended: Iterable[Window]) -> Iterator[_Answered]:
    for window in ended:
        if window.answer is not None:
            yield _Answered(window.answer, window.partition, window.ends_at, window.settles_after)


def _save_windows(
    store: Store,
    before: Mapping[Client, Mapping[timedelta, Window]],
    after: Mapping[Client, Mapping[timedelta, Window]],
) -> None:
    gone = [
        WindowKey(*client, length)
        for client, windows in before.items()
        for length in windows
        if length not in after[client]
    ]
    store.settling.close_windows(gone)
    store.settling.save_windows(
        [
            window
            for client, windows in sorted(after.items())
            for length, window in sorted(windows.items())
            if window != before.get(client, {}).get(length)
        ]
    )


def _plan(store: Store, books: Mapping[str, Book], answered: Sequence[_Answered]) -> None:
    """Plan the messages of each occasion; a client's next one sees those of the one before it."""
    rounds: dict[int, list[_Answered]] = defaultdict(list)
    count: Counter[tuple[str, ...]] = Counter()
    for each in answered:
        rounds[count[each.change.client]].append(each)
        count[each.change.client] += 1
    for number in sorted(rounds):
        _plan_round(store, books, rounds[number])


def _plan_round(store: Store, books: Mapping[str, Book], answered: Sequence[_Answered]) -> None:
    """Plan messages, at most one occasion a client; each replaces what its play had not begun."""
    speaking = {
        Saying(*each.change.client, play.key): (each, play)
        for each in answered
        for play in each.plays(books[each.change.practice_id])
    }
    if not speaking:
        return
    older: dict[Saying, list[DueMessage]] = defaultdict(list)
    for message in store.queue.lock_unbegun(sorted(speaking)):
        older[Saying(*message.change.client, message.play.key)].append(message)
    planned: list[PlannedMessage] = []
    replaced: list[DueMessage] = []
    for saying, (each, play) in speaking.items():
        unbegun = [one for one in older[saying] if one.occasion != each.change.occasion]
        replaced += unbegun
        change = _since_the_oldest(each.change, unbegun)
        if change.from_tier != change.to_tier:
            body = books[saying.practice_id].body(play)
            planned += _messages(each._replace(change=change), play, body)
    _replace(store, replaced)
    added = set(store.queue.add(_with_lanes(store, planned)))
    store.publish([_scheduled(each) for each in planned if each.message_id in added])


def _since_the_oldest(change: Change, unbegun: Sequence[DueMessage]) -> Change:
    """The change, from where the client stood before the oldest that nobody was told of."""
    if not unbegun:
        return change
    oldest = min(unbegun, key=lambda one: (one.change.effective_at, one.change.version)).change
    return replace(change, from_tier=oldest.from_tier, from_rank=oldest.from_rank)


def _replace(store: Store, messages: Sequence[DueMessage]) -> None:
    if not messages:
        return
    now = store.business_time() or max(each.due_at for each in messages)
    state = advance(State.SCHEDULED, Event.CANCEL)
    changes = [StateChange(*each.key, str(state), REPLACED, now) for each in messages]
    store.queue.change_states(changes, now)
    store.publish(
        [message_event(each, now, state=state, channel=None, reason=REPLACED) for each in messages]
    )


def _messages(answered: _Answered, play: Play, body: Mapping[str, Any]) -> Iterator[PlannedMessage]:
    change = answered.change
    for number, step in enumerate(play.steps):
        yield PlannedMessage(
            message_id=message_id(*change.client, play.key, change.occasion, number),
            occasion=change.occasion,
            change=change,
            partition=answered.partition,
            play=play,
            play_body=body,
            step=number,
            due_at=answered.at + step.delay,
        )


def _with_lanes(store: Store, planned: Sequence[PlannedMessage]) -> list[PlannedMessage]:
    """The messages, each with the channel by which it will probably go."""
    reachable = store.clients.reachable({each.change.client for each in planned})
    return [
        each._replace(
            lane=likely_channel(
                each.play, each.play.steps[each.step], reachable.get(each.change.client, ())
            )
        )
        for each in planned
    ]


def _scheduled(message: PlannedMessage) -> MessageEvent:
    at = message.due_at
    return message_event(message, at, state=State.SCHEDULED, channel=None, reason=None)
