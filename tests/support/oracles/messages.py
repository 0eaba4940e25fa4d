"""Which messages must exist and which may have left, from the bus, the playbook and the consents.

No service code: the plays are read from the playbook's JSON, the limits are written here again
(F30, L1, L2), and what reached people is the sandbox's own log.
"""

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

Json = Mapping[str, Any]

FINAL = {
    *("accepted", "delivered", "bounced", "failed"),
    *("suppressed", "cancelled", "expired", "unknown"),
}
WENT = {"accepted", "delivered", "bounced"}
MAY_HAVE_GONE = WENT | {"unknown"}
WEEK = timedelta(days=7)
HEARD_WITHIN = timedelta(days=1)
"""A day's events follow its noon: what they cause may be read a step after it was due."""
LONGEST_CALL = timedelta(seconds=10)
RETRIED_WITHIN = timedelta(seconds=45)
"""Real time from a try to the next: the lease of a worker that died (30 s), the longest wait (5 s),
and turns. The simulated days pass meanwhile: retries hold no day up."""
CAPS = (
    ("client", frozenset({"marketing"}), 2),
    ("client", frozenset({"care"}), 2),
    ("client", frozenset({"marketing", "care"}), 3),
    ("contact", frozenset({"marketing", "care"}), 3),
)
"""At most so many messages of these purposes per client or contact point in any seven days."""


class Identity(NamedTuple):
    """What makes a message that message: a change that comes twice plans it once."""

    practice_id: str
    client_id: str
    play: str
    occasion: str
    step: int


class Due(NamedTuple):
    """A message that must exist: why, and by which play and step."""

    play: Json
    step: Json
    change: Json


class Claim(NamedTuple):
    """A message was handed to a provider, at a business time."""

    at: datetime
    message_id: str
    purpose: str


@dataclass
class Reachable:
    """How a client may be reached: channel -> address, and (channel, purpose) agreed to."""

    contacts: dict[str, str] = field(default_factory=dict)
    consents: set[tuple[str, str]] = field(default_factory=set)


class Window(NamedTuple):
    """Real time in which a worker ran and at whose end it was killed with messages in its hands."""

    started_at: datetime
    killed_at: datetime


def due_messages(changes: Iterable[Json], playbook: Json) -> dict[Identity, Due]:
    """Every message that follows from tier-change events, each event given once."""
    due = {}
    for event in changes:
        change = event["data"]
        for play in playbook["plays"]:
            if not change["primary"] or not _answers(play["when"], change):
                continue
            for number, step in enumerate(play["steps"]):
                client = (event["practiceid"], change["client_id"])
                occasion = f"tier {change['scheme']}:{change['version']}"
                due[Identity(*client, play["key"], occasion, number)] = Due(play, step, change)
    return due


def _answers(when: Json, change: Json) -> bool:
    tiers_to, tiers_from = when.get("to_tiers"), when.get("from_tiers")
    return (
        change["direction"] in when["directions"]
        and change["reason"] in when.get("reasons", ("activity", "elapsed_time"))
        and change["origin"] in when.get("origins", ("live",))
        and (not tiers_to or change["to_tier"] in tiers_to)
        and (not tiers_from or change["from_tier"] is None or change["from_tier"] in tiers_from)
    )


def identity(message: Json) -> Identity:
    """The identity of a message as the API lists it, with its practice."""
    names = ("practice_id", "client_id", "play", "step")
    occasion = "{kind} {id}".format_map(message["occasion"])
    return Identity(**{name: message[name] for name in names}, occasion=occasion)


@dataclass
class Letterbox:
    """Everything that the checks look at. `messages` are the API's, `deliveries` the sandbox's.

    `documents` are the accepted source events by (practice, client id); `steps` the simulated
    instants in order, each with the real instant at which the clock was set to it.
    """

    due: Mapping[Identity, Due]
    messages: Sequence[Json]
    deliveries: Sequence[Json]
    people: Mapping[tuple[str, str], Reachable]
    documents: Mapping[tuple[str, str], Sequence[Json]]
    steps: Sequence[tuple[datetime, datetime]]

    def __post_init__(self) -> None:
        self.by_id = {message["message_id"]: message for message in self.messages}
        self.logged = {delivery["message_id"] for delivery in self.deliveries}
        self.claims = self._claims()

    # -- which exist ------------------------------------------------------------------------

    def set_faults(self) -> list[str]:
        """Messages that are missing, that no play asks for, or that exist twice."""
        found = Counter(map(identity, self.messages))
        faults = [f"missing {each}" for each in self.due.keys() - found.keys()]
        faults += [f"no play asks for {each}" for each in found.keys() - self.due.keys()]
        return faults + [f"{count} times {each}" for each, count in found.items() if count > 1]

    def unfinished(self) -> list[str]:
        """Messages that are not in a final state."""
        return [_described(m) for m in self.messages if m["state"] not in FINAL]

    # -- what left --------------------------------------------------------------------------

    def doubles(self) -> list[str]:
        """Identities that reached a person more than once."""
        times = Counter(delivery["message_id"] for delivery in self.deliveries)
        return [f"{count} times {each}" for each, count in times.items() if count > 1]

    def log_faults(self) -> list[str]:
        """Deliveries of no message or of one that says it never went; accepted, yet not there."""
        faults = [f"delivery of no message {each}" for each in self.logged - self.by_id.keys()]
        for message in self.messages:
            went = message["message_id"] in self.logged
            if went and message["state"] not in MAY_HAVE_GONE:
                faults.append(f"went: {_described(message)}")
            if not went and message["state"] in WENT:
                faults.append(f"never arrived: {_described(message)}")
        return faults

    def consent_faults(self) -> list[str]:
        """Deliveries without consent, to another address, or by another channel than the first
        open one of the step."""
        faults = []
        for delivery in self.deliveries:
            message = self.by_id.get(delivery["message_id"])
            if message is None or identity(message) not in self.due:
                continue  # `log_faults` and `set_faults` tell of these
            play, step, _ = self.due[identity(message)]
            person = self._person(message)
            channel = first_open(step, play["purpose"], person)
            if channel is None or channel != delivery["channel"]:
                faults.append(f"by {delivery['channel']}, open is {channel}: {_described(message)}")
            elif not _same_address(channel, person.contacts[channel], delivery["recipient"]):
                faults.append(f"to another address: {_described(message)}")
        return faults

    # -- what stayed ------------------------------------------------------------------------

    def withheld_faults(self) -> list[str]:
        """Messages that did not go though nothing that the oracle knows stood in the way."""
        return [
            f"{problem}: {_described(message)}"
            for message in self.messages
            if identity(message) in self.due and message["state"] not in MAY_HAVE_GONE
            for problem in [self._why_not(message)]
            if problem
        ]

    def _why_not(self, message: Json) -> str | None:
        """What is wrong with the reason for which a message did not go; None when it holds."""
        play, step, change = self.due[identity(message)]
        reason = str(message["reason"])
        is_open = first_open(step, play["purpose"], self._person(message)) is not None
        if message["state"] == "expired":
            return None if self._was_capped(message) else "expired, though the caps had room"
        if message["state"] != "suppressed":
            return "given up, though no provider refuses"
        if reason.startswith("no-permitted-channel"):
            return "a channel was open" if is_open else None
        events = self.documents.get((message["practice_id"], message["client_id"]), ())
        if not is_open or not _looks_first(play):
            return "suppressed for a reason that its play does not know"
        if reason == "upcoming-booking":
            starts = [datetime.fromisoformat(d["data"].get("starts_at", d["time"])) for d in events]
            return None if any(at > _at(message["due_at"]) for at in starts) else "no booking"
        if reason == "newer-activity":
            cause = _at(change["effective_at"])
            newer = any(datetime.fromisoformat(d["time"]) >= cause for d in events)
            return None if newer else "nothing newer happened"
        return "no reason that the oracle knows"

    def _was_capped(self, message: Json) -> bool:
        """Whether some cap was full at every step of the clock at which the message might go; while
        it waited for its next try it could not."""
        known, ends = _at(message["due_at"]) + HEARD_WITHIN, _at(message["expires_at"])
        tries = message.get("tries", ())
        free_from = _at(tries[-1]["started_at"]) + RETRIED_WITHIN if tries else None
        steps = pairwise(self.steps)
        moments = [
            now
            for (now, _), (_, left_at) in steps
            if known <= now < ends and (free_from is None or left_at > free_from)
        ]
        return bool(moments or tries) and all(self._is_full(message, now) for now in moments)

    def _is_full(self, message: Json, moment: datetime) -> bool:
        channel = first_open(
            self.due[identity(message)].step, message["purpose"], self._person(message)
        )
        for scope, purposes, limit in CAPS:
            if message["purpose"] not in purposes:
                continue
            key = self._key(scope, message, channel or "")
            inside = {
                claim.message_id
                for claim in self.claims.get(key, ())
                if claim.message_id != message["message_id"]
                and claim.purpose in purposes
                and moment - WEEK < claim.at <= moment
            }
            if len(inside) >= limit:
                return True
        return False

    # -- limits -----------------------------------------------------------------------------

    def cap_faults(self) -> list[str]:
        """Seven days in which the log holds more than a cap allows."""
        faults = []
        for scope, purposes, limit in CAPS:
            for key, times in self._delivered(scope, purposes).items():
                for last, at in enumerate(times):
                    inside = last + 1 - bisect_right(times, at - WEEK)
                    if inside > limit:
                        faults.append(f"{inside} of {limit} by {scope} {key} until {at}")
        return faults

    def clock_faults(self) -> list[str]:
        """Deliveries stamped with a business time that the clock had not reached when they arrived,
        or had left before a call to a provider can have begun."""
        reals = [real for _, real in self.steps]
        faults = []
        for delivery in self.deliveries:
            message = self.by_id.get(delivery["message_id"])
            place = bisect_right(reals, _at(delivery["at"])) - 1
            begun = bisect_right(reals, _at(delivery["at"]) - LONGEST_CALL) - 1
            if message is None or message["sent_at"] is None:
                continue  # `log_faults` tells
            earliest = self.steps[max(begun - 1, 0)][0]
            if not earliest <= _at(message["sent_at"]) <= self.steps[place][0]:
                faults.append(f"stamped {message['sent_at']}: {_described(message)}")
        return faults

    def _delivered(
        self, scope: str, purposes: frozenset[str]
    ) -> Mapping[tuple[str, str], list[datetime]]:
        """When messages of these purposes went that the log knows, by client or contact point."""
        times = defaultdict(list)
        for message in self.messages:
            if message["message_id"] in self.logged and message["purpose"] in purposes:
                key = self._key(scope, message, message["channel"])
                times[key].append(_at(message["sent_at"]))
        return {key: sorted(moments) for key, moments in times.items()}

    def _claims(self) -> Mapping[tuple[str, str], list[Claim]]:
        """Every claim that a cap may have counted, by client and by contact point. A try that
        turned out not to have been sent counts too: until then it filled the cap."""
        claims = defaultdict(list)
        for message in self.messages:
            went = message["state"] in MAY_HAVE_GONE
            at = {message["sent_at"]} if went else set()
            for moment in at | {each["business_at"] for each in message.get("tries", ())}:
                claim = Claim(_at(moment), message["message_id"], message["purpose"])
                for scope in ("client", "contact"):
                    claims[self._key(scope, message, message["channel"])].append(claim)
        return claims

    def _key(self, scope: str, message: Json, channel: str) -> tuple[str, str]:
        if scope == "client":
            return message["practice_id"], message["client_id"]
        address = self._person(message).contacts.get(channel, "")
        return message["practice_id"], f"{channel}:{address}"

    def _person(self, message: Json) -> Reachable:
        return self.people.get((message["practice_id"], message["client_id"]), Reachable())


def first_open(step: Json, purpose: str, person: Reachable) -> str | None:
    """The step's first channel with consent for the purpose and a contact; WeChat carries no
    marketing, and SMS none until replies are read."""
    for route in step["channels"]:
        channel = route["channel"]
        if purpose == "marketing" and channel in {"wechat", "sms"}:
            continue
        if channel in person.contacts and (channel, purpose) in person.consents:
            return str(channel)
    return None


def unknown_faults(
    unknown: Iterable[tuple[Json, Sequence[Json]]], windows: Sequence[Window]
) -> list[str]:
    """Unknown messages (with their tries) that no worker killed in between can explain."""
    return [
        f"unknown without a killed worker: {_described(message)}"
        for message, tries in unknown
        if not any(
            window.started_at <= _at(tries[-1]["started_at"]) <= window.killed_at
            for window in windows
        )
    ]


def _looks_first(play: Json) -> bool:
    """Whether a play asks for bookings and activity before it sends: those on a downgrade do."""
    falls = "downgraded" in play["when"]["directions"]
    unless = play.get("unless", {})
    return bool(unless.get("upcoming_booking", falls) or unless.get("newer_activity", falls))


def _same_address(channel: str, stored: str, reached: str) -> bool:
    if channel == "sms":
        return re.sub(r"\D", "", reached)[-11:] == re.sub(r"\D", "", stored)[-11:]
    return stored == reached


def _described(message: Json) -> str:
    return f"{identity(message)} is {message['state']} ({message['reason']})"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
