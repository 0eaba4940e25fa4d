"""Show one message whole, approve it, cancel it: what a practice's people do."""

from outreach_service.domain.message_views import MessageRow, MessageView
from outreach_service.domain.messages import Event, ImpossibleTransition, State, advance
from outreach_service.handlers.events import steering_event
from outreach_service.handlers.previews import Previews
from outreach_service.ports import NoBusinessTime, WrongState
from outreach_service.ports.reads import Caller, PersonalData
from outreach_service.ports.records import MessageKey
from outreach_service.ports.store import Store, Stores

CANCELLED_BY_STAFF = "cancelled-by-staff"


def view_message(
    stores: Stores, previews: Previews, caller: Caller, message_id: str
) -> MessageView | None:
    """A message with its cause, its attempts and its text; None when the practice has none such.

    A text holds the client's name, so who got it is recorded (S16).
    """
    key = MessageKey(caller.practice_id, message_id)
    with stores.open(caller.practice_id) as store:
        message = store.messages.find(key)
        if message is None:
            return None
        attempts = store.messages.attempts(key)
        preview = previews.preview(store, message)
        if preview.missing is None:
            store.reads.record(caller, message.row.client_id, PersonalData.MESSAGE_TEXT)
    return MessageView(message.row, message.change, attempts, preview)


def approve_message(stores: Stores, practice_id: str, message_id: str) -> MessageRow | None:
    """Let a message that awaits staff be decided on again, at once; every other gate still holds,
    and what no approval mends, such as a name that cannot be shown, waits again. One that was
    approved already and awaits nobody stays as it is, unless it was cancelled since.

    None when the practice has no such message. Raises WrongState, NoBusinessTime.
    """
    key = MessageKey(practice_id, message_id)
    with stores.open(practice_id) as store:
        message = store.messages.lock(key)
        if message is None:
            return None
        before = State(message.row.state)
        if message.row.approved and before not in {State.CANCELLED, State.AWAITING_STAFF}:
            return message.row
        if before is not State.AWAITING_STAFF:
            raise WrongState(f"only one that awaits staff can be approved; it is {before}")
        if (now := store.business_time()) is None:
            raise NoBusinessTime
        state = advance(before, Event.SCHEDULE)
        store.messages.approve(key, str(state), now)
        store.publish([steering_event(message, now, state=state, reason=None)])
        return _row(store, key)


def cancel_message(stores: Stores, practice_id: str, message_id: str) -> MessageRow | None:
    """Withdraw a message before it goes. One that was suppressed, cancelled or has expired stays
    as it is.

    None when the practice has no such message. Raises WrongState, NoBusinessTime.
    """
    key = MessageKey(practice_id, message_id)
    with stores.open(practice_id) as store:
        message = store.messages.lock(key)
        if message is None:
            return None
        before = State(message.row.state)
        try:
            state = advance(before, Event.CANCEL)
        except ImpossibleTransition as impossible:
            raise WrongState(str(impossible)) from impossible
        if state is before:
            return message.row
        if (now := store.business_time()) is None:
            raise NoBusinessTime
        store.messages.cancel(key, str(state), CANCELLED_BY_STAFF, now)
        event = steering_event(message, now, state=state, reason=CANCELLED_BY_STAFF)
        store.publish([event])
        return _row(store, key)


def _row(store: Store, key: MessageKey) -> MessageRow | None:
    message = store.messages.find(key)
    return None if message is None else message.row
