"""Whether a message may go now: one pure decision, from what was read under the claim's locks."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from outreach_service.domain.care import UNGUARDED, Guards
from outreach_service.domain.playbook import Mode, Play, Route, Step
from outreach_service.domain.quiet import local_day, next_opening
from outreach_service.domain.rules import DEFAULT_RULES, Cap, Rules, Scope
from outreach_service.domain.terms import Change, Channel, Purpose, Reason, Standing, permitted


@dataclass(frozen=True, kw_only=True)
class SentMessage:
    """A message that counts against a cap: accepted, in flight, or of unknown outcome. `contact` is
    the blind index of the contact point: families share phones. `template` is its text's key."""

    at: datetime
    purpose: Purpose
    client_id: str
    contact: str
    template: str


class Rest(NamedTuple):
    """Nothing goes to a contact point, because its provider said that nothing arrives there.

    `reason` is the provider's code. The rest holds `since` then and up to `until`; None is until
    the client states anew that they want messages there.
    """

    reason: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that is known about one message at the moment of deciding. Instants are aware.

    - `is_fenced`: it was due before the database was restored, so it may have been sent already.
    - `contacts` maps a channel to its contact point's blind index, `resting` to why nothing may go
      there now.
    - `zones` are those in which the hours must be open: the client's where they are known, else the
      practice's ("" while it is not known), and a provider's own where it has one.
    - `sent` holds the messages that caps count, to this client or its contact points, within the
      longest window.
    - `standing` is the client's tier as far as tier changes have been read, `guards` what other
      systems have noted.
    - `booking_at` is the start of the next booking, `activity_at` the client's newest activity.
    - `inputs_up_to` is the instant up to which activity and tier changes have been read, or up to
      which its practice stands, which is held; None while the client's facts are said anew.
    """

    now: datetime
    play: Play
    step: Step
    change: Change
    due_at: datetime
    approved: bool
    is_fenced: bool = False
    contacts: Mapping[Channel, str]
    resting: Mapping[Channel, Rest] = field(default_factory=dict)
    consents: frozenset[tuple[Channel, Purpose]]
    zones: tuple[str, ...]
    sent: tuple[SentMessage, ...]
    standing: Standing | None = None
    booking_at: datetime | None
    activity_at: datetime | None
    inputs_up_to: datetime | None
    has_discreet_name: bool = False
    guards: Guards = UNGUARDED
    rules: Rules = DEFAULT_RULES

    @property
    def expires_at(self) -> datetime:
        """When it is too late for this message."""
        return self.play.expires_at(self.step, self.change, self.due_at)


@dataclass(frozen=True)
class Send:
    """Nothing stands in the way: send it by this route."""

    route: Route


@dataclass(frozen=True)
class Defer:
    """Not now: decide again at `until`, or sooner when a person approves it.

    `until` is after now and never beyond the message's expiry, at which the decision is final.
    """

    until: datetime
    reason: str


@dataclass(frozen=True)
class Suppress:
    """Never: this message will not be sent."""

    reason: str


Decision = Send | Defer | Suppress

GUARD = "guard"
CARE_ENDED = "care-ended"
OBSERVING = "mode:observe"
AWAITING_APPROVAL = "mode:awaiting-approval"
RESTORED = "restored"
EXPIRED = "expired"
NO_CHANNEL = "no-permitted-channel"
CONTACT_RESTS = "contact-rests"
PRACTICE_UNKNOWN = "practice-unknown"
CAUSE_GONE = "cause-gone"
SAID_RECENTLY = "said-recently"
PRACTICE_NOT_READY = "practice-not-ready"
TEXT_WAITS = "text-waits-for-a-person"
UPCOMING_BOOKING = "upcoming-booking"
NEWER_ACTIVITY = "newer-activity"
INPUTS_LAG = "inputs-lag"
QUIET_HOURS = "quiet-hours"
NEVER_OPEN = "quiet-hours:no-opening"
CAPPED = "frequency-cap"


@dataclass(frozen=True)
class NoChannel:
    """No route of the step is open; `missing` has the reason for each. `opens` is the rest that
    ends first, where one of them only waits for that."""

    missing: tuple[str, ...]
    opens: Rest | None = None

    @property
    def reason(self) -> str:
        """What is missing, channel by channel, in the step's order."""
        return f"{NO_CHANNEL}: {', '.join(self.missing)}"


def _missing(context: Context, channel: Channel) -> str | None:
    """The reason why a channel is closed for this client and purpose; None when it is open."""
    purpose = context.play.purpose
    if not permitted(channel, purpose):
        return f"{channel} not permitted for {purpose}"
    if (channel, purpose) in context.rules.without_way_out:
        return f"{channel} without a way out of {purpose}"
    if channel in context.rules.closed:
        return f"{channel} without account"
    if (channel, purpose) not in context.consents:
        return f"{channel} without consent for {purpose}"
    if channel not in context.contacts:
        return f"{channel} without contact"
    return None


def choose_channel(context: Context) -> Route | NoChannel:
    """The step's first route that is permitted for the purpose, and has consent and a contact that
    does not rest."""
    missing, rests = [], []
    for route in context.step.routes:
        lacks = _missing(context, route.channel)
        rest = context.resting.get(route.channel)
        if lacks is None and rest is not None:
            lacks = f"{route.channel} rests after {rest.reason}"
            rests += [rest] if rest.until is not None else []
        if lacks is None:
            return route
        missing.append(lacks)
    opens = min(rests, key=lambda each: each.until or context.expires_at, default=None)
    return NoChannel(tuple(missing), opens)


def likely_channel(
    play: Play, step: Step, reachable: Collection[tuple[Channel, Purpose]]
) -> Channel | None:
    """The channel by which the step's message will probably go, as the client is reachable now.

    None when no route is open yet, and for a play that only observes.
    """
    if play.mode is Mode.OBSERVE:
        return None
    for route in step.routes:
        if permitted(route.channel, play.purpose) and (route.channel, play.purpose) in reachable:
            return route.channel
    return None


def _practice(context: Context, _: Route) -> Defer | None:
    """While its practice is not known, a message has no hours to keep to, and without its discreet
    name no sender: its full name may say what its clients come for (L15)."""
    again = context.now + context.rules.longest_lag
    if "" in context.zones:
        return Defer(again, PRACTICE_UNKNOWN)
    if context.rules.asks_discreet_name and not context.has_discreet_name:
        return Defer(again, PRACTICE_NOT_READY)
    return None


def _cause(context: Context, _: Route) -> Suppress | None:
    """A message speaks of a tier in which the client still is."""
    standing, change = context.standing, context.change
    if standing is None or (standing.scheme, standing.tier) == (change.scheme, change.to_tier):
        return None
    return Suppress(CAUSE_GONE)


def _same_text(context: Context, route: Route) -> Suppress | None:
    """Days are the client's, where their zone is known, else the practice's: what was said on the
    1st may be said again on the 31st. A service message says the same each time, of something
    else."""
    if context.play.purpose is Purpose.SERVICE:
        return None
    client_id, zone = context.change.client_id, next(iter(context.zones), "")
    until = local_day(context.now, zone) - timedelta(days=context.rules.same_text_days)
    is_said = any(
        sent.client_id == client_id and sent.template == route.template
        for sent in context.sent
        if local_day(sent.at, zone) > until
    )
    return Suppress(SAID_RECENTLY) if is_said else None


def _booking(context: Context, _: Route) -> Suppress | None:
    if not context.play.unless.upcoming_booking or context.booking_at is None:
        return None
    return Suppress(UPCOMING_BOOKING) if context.booking_at > context.now else None


def _activity(context: Context, _: Route) -> Suppress | None:
    """Activity after the cause counts. The cause of a change by time is a midnight, not an
    activity: there an activity at the very same instant counts too."""
    if not context.play.unless.newer_activity or context.activity_at is None:
        return None
    change = context.change
    # A cause that is dated ahead is in effect before it is said to have happened.
    cause_at = max(change.effective_at, change.happened_at or change.effective_at)
    at_cause = context.activity_at == cause_at and change.reason == Reason.ELAPSED_TIME
    return Suppress(NEWER_ACTIVITY) if context.activity_at > cause_at or at_cause else None


def _inputs(context: Context, _: Route) -> Defer | None:
    """Whether the cause still holds, and what has happened since, is known once it has been read.
    Service messages go on, but where their play depends on it."""
    if context.play.purpose is Purpose.SERVICE and not context.play.unless.asks:
        return None
    read = None if context.guards.missing else context.inputs_up_to
    if read is None or context.now - read > context.rules.longest_lag:
        return Defer(context.now + context.rules.longest_lag, INPUTS_LAG)
    return None


def outside_hours(
    rules: Rules, purpose: Purpose, now: datetime, zones: Sequence[str], expires_at: datetime
) -> Defer | None:
    """Wait until the purpose's hours are open in all of these zones, or until it is too late."""
    hours = rules.hours.get(purpose)
    if hours is None:
        return None
    opening = next_opening(now, hours, zones)
    if opening is None:
        return Defer(expires_at, NEVER_OPEN)
    return None if opening == now else Defer(min(opening, expires_at), QUIET_HOURS)


def _hours(context: Context, _: Route) -> Defer | None:
    purpose, until = context.play.purpose, context.expires_at
    return outside_hours(context.rules, purpose, context.now, context.zones, until)


def _counts(cap: Cap, context: Context, route: Route) -> list[datetime]:
    """The times of the messages that this cap counts now, the oldest first."""
    contact = context.contacts[route.channel]
    return sorted(
        sent.at
        for sent in context.sent
        if sent.purpose in cap.purposes
        and sent.at > context.now - cap.window
        and (
            sent.client_id == context.change.client_id
            if cap.scope is Scope.CLIENT
            else sent.contact == contact
        )
    )


def _caps(context: Context, route: Route) -> Defer | None:
    """Wait until the oldest of the counted messages falls out of every full cap's window."""
    free_at = []
    for cap in context.rules.caps:
        if context.play.purpose not in cap.purposes:
            continue
        counted = _counts(cap, context, route)
        if len(counted) >= cap.limit:
            free_at.append((counted[-cap.limit] + cap.window, cap.scope))
    if not free_at:
        return None
    until, scope = max(free_at)
    return Defer(until, f"{CAPPED}:{scope}")


_GATES: tuple[Callable[[Context, Route], Defer | Suppress | None], ...] = (
    _practice,
    _cause,
    _booking,
    _activity,
    _inputs,
    _same_text,
    _hours,
    _caps,
)


def _guard(context: Context) -> Suppress | None:
    """A complaint and a risk stop messages, whatever else holds (S2-31). Who asks for the reason is
    not told which of them. A client whose care has come to its end is not asked to come back
    (E-01)."""
    if context.guards.stops(context.play.purpose):
        return Suppress(GUARD)
    fell_by_time = context.change.reason == Reason.ELAPSED_TIME
    is_service = context.play.purpose is Purpose.SERVICE
    if context.guards.care_ended and fell_by_time and not is_service:
        return Suppress(CARE_ENDED)
    return None


def _mode(context: Context) -> Defer | Suppress | None:
    if context.play.mode is Mode.OBSERVE:
        return Suppress(OBSERVING)
    if context.now >= context.expires_at:
        return Suppress(EXPIRED)
    if context.is_fenced and not context.approved:
        return Defer(context.expires_at, RESTORED)
    if context.play.mode is Mode.APPROVE and not context.approved:
        return Defer(context.expires_at, AWAITING_APPROVAL)
    return None


def _by(route: Route, context: Context) -> Decision:
    """The decision of the gates that know the route; a deferral ends at the message's expiry."""
    for check in _GATES:
        objection = check(context, route)
        if isinstance(objection, Defer):
            return Defer(min(objection.until, context.expires_at), objection.reason)
        if objection is not None:
            return objection
    return Send(route)


def _without_route(none: NoChannel, context: Context) -> Decision:
    """A message waits for a contact point whose rest ends in time, and otherwise does not go."""
    until = None if none.opens is None else none.opens.until
    if none.opens is None or until is None or until >= context.expires_at:
        return Suppress(none.reason)
    return Defer(until, f"{CONTACT_RESTS}: {none.opens.reason}")


def gate(context: Context) -> Decision:
    """Send, defer or suppress a message; the first gate that objects decides.

    The order: what other systems have noted, mode, expiry, a restore since it was due, a permitted
    channel with account, consent and a contact that does not rest (L1, L14), a practice that is
    known and has a name to show, a cause that holds, an upcoming booking, newer activity, inputs
    that lag, the same text lately, quiet hours (L12), frequency caps (F30). Provider rate limits
    are no gate: they are permits, on the real clock (F35).
    """
    objection = _guard(context) or _mode(context)
    if objection is not None:
        return objection
    route = choose_channel(context)
    if isinstance(route, NoChannel):
        return _without_route(route, context)
    return _by(route, context)
