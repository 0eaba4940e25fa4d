"""Plan messages after tier changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outreach_service.domain.gates import likely_channel
from outreach_service.domain.messages import State
from outreach_service.domain.playbook import Playbook, message_id, plays_for
from outreach_service.domain.terms import Change
from outreach_service.handlers.events import message_event
from outreach_service.ports.records import MessageEvent, PlannedMessage
from outreach_service.ports.store import Store

PlaybookDocument = Mapping[str, Any]
ReadPlaybook = Callable[[PlaybookDocument], Playbook]


@dataclass(frozen=True)
class PlacedChange:
    """A tier change with the partition that it came on."""

    change: Change
    partition: int


def plan_messages(
    store: Store,
    read_playbook: ReadPlaybook,
    default: PlaybookDocument,
    changes: Sequence[PlacedChange],
) -> None:
    """Add a message for each step of each play that answers a change.

    A practice without a playbook of its own goes by `default`. A change that comes twice plans
    nothing twice (F33).
    """
    if not changes:
        return
    practice_ids = {placed.change.practice_id for placed in changes}
    own = store.inputs.playbooks(practice_ids)
    documents = {each: own.get(each, default) for each in practice_ids}
    playbooks = {each: read_playbook(document) for each, document in documents.items()}
    planned: dict[str, PlannedMessage] = {}
    for placed in changes:
        practice_id = placed.change.practice_id
        bodies = {body["key"]: body for body in documents[practice_id]["plays"]}
        for message in _messages_for(placed, playbooks[practice_id], bodies):
            planned[message.message_id] = message
    added = store.queue.add(_with_lanes(store, list(planned.values())))
    store.publish([_scheduled(planned[each]) for each in added])


def _with_lanes(store: Store, planned: Sequence[PlannedMessage]) -> list[PlannedMessage]:
    """The messages, each with the channel by which it will probably go."""
    reachable = store.clients.reachable({each.client for each in planned})
    return [
        each._replace(
            lane=likely_channel(
                each.play, each.play.steps[each.step], reachable.get(each.client, ())
            )
        )
        for each in planned
    ]


def _messages_for(
    placed: PlacedChange, playbook: Playbook, bodies: Mapping[str, Any]
) -> Iterator[PlannedMessage]:
    change = placed.change
    occasion = change.occasion
    for play in plays_for(playbook, change):
        for number, step in enumerate(play.steps):
            yield PlannedMessage(
                message_id=message_id(
                    change.practice_id, change.client_id, play.key, occasion, number
                ),
                occasion=occasion,
                change=change,
                partition=placed.partition,
                play=play,
                play_body=bodies[play.key],
                step=number,
                due_at=change.effective_at + step.delay,
            )


def _scheduled(message: PlannedMessage) -> MessageEvent:
    at = message.due_at
    return message_event(message, at, state=State.SCHEDULED, channel=None, reason=None)
