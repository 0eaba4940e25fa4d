"""Which messages may have left, and which had to, from the bus, the playbook and the consents.

No service code: the limits are written here again (F30, L1, L2), and what reached people is the
sandbox's own log.
"""

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from tests.support.oracles.due_messages import Due, Identity, expiry, identity

Json = Mapping[str, Any]

FINAL = {
    *("accepted", "delivered", "bounced", "failed"),
    *("suppressed", "cancelled", "expired", "unknown"),
}
WENT = {"accepted", "delivered", "bounced"}
MAY_HAVE_GONE = WENT | {"unknown"}
WEEK = timedelta(days=7)
SURELY_TWICE = timedelta(days=29)
"""Two texts that are not as far apart lie within 30 local days of any zone."""
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


@dataclass
class Letterbox:
    """Everything that the checks look at. `messages` are the API's, `deliveries` the sandbox's.

    `documents` are the accepted source events by (practice, client id), `tiers` the tiers of
    clients by version; `steps` the simulated
    instants in order, each with the real instant at which the clock was set to it.
    """

    due: Mapping[Identity, Due]
    messages: Sequence[Json]
    deliveries: Sequence[Json]
    people: Mapping[tuple[str, str], Reachable]
    documents: Mapping[tuple[str, str], Sequence[Json]]
    steps: Sequence[tuple[datetime, datetime]]
    tiers: Mapping[tuple[str, str], Mapping[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_id = {message["message_id"]: message for message in self.messages}
        self.logged = {delivery["message_id"] for delivery in self.deliveries}
        self.claims = self._claims()

    # -- which exist ------------------------------------------------------------------------

    def set_faults(self) -> list[str]:
        """Messages that are missing, that no play asks for, or that exist twice."""
        found = Counter(map(identity, self.messages))
        missing = self.due.keys() - found.keys()
        faults = [f"missing {each}" for each in missing if not self._came_back(each)]
        faults += [f"no play asks for {each}" for each in found.keys() - self.due.keys()]
        return faults + [f"{count} times {each}" for each, count in found.items() if count > 1]

    def _came_back(self, due: Identity) -> bool:
        """Whether the client is where they were before what the message would have replaced."""
        return any(
            identity(message)[:3] == due[:3]
            and message["reason"] == "replaced"
            and self.due[identity(message)].change["from_tier"] == self.due[due].change["to_tier"]
            for message in self.messages
            if identity(message) in self.due
        )

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
            play, step = self.due[identity(message)][:2]
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
        play, step, change = self.due[identity(message)][:3]
        reason = str(message["reason"])
        is_open = first_open(step, play["purpose"], self._person(message)) is not None
        if message["state"] == "expired":
            return self._why_expired(message)
        if reason in {"replaced", "cause-gone", "said-recently"}:
            return self._why_overtaken(message)
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

    def _why_expired(self, message: Json) -> str | None:
        if _at(message["expires_at"]) != expiry(self.due[identity(message)]):
            return "expired at the wrong time"
        return None if self._was_capped(message) else "expired, though the caps had room"

    def _why_overtaken(self, message: Json) -> str | None:
        if message["reason"] == "replaced":
            return None if self._has_newer(message) else "nothing newer replaced it"
        if message["reason"] == "cause-gone":
            return None if self._has_left(message) else "the client is still in that tier"
        return None if self._was_said(message) else "it was not said before"

    def _has_newer(self, message: Json) -> bool:
        """Whether a later occasion of the play must have a message."""
        mine = identity(message)
        return any(
            other[:3] == mine[:3] and _version(other.occasion) > _version(mine.occasion)
            for other in self.due
        )

    def _has_left(self, message: Json) -> bool:
        """Whether a later change led the client to another tier."""
        change = self.due[identity(message)].change
        tiers = self.tiers.get((message["practice_id"], message["client_id"]), {})
        return any(
            tier != change["to_tier"]
            for version, tier in tiers.items()
            if version > change["version"]
        )

    def _was_said(self, message: Json) -> bool:
        """Whether the client may have got one of the step's texts within 30 days and a day."""
        texts = {route["template"] for route in self.due[identity(message)].step["channels"]}
        until = _at(message["changed_at"])
        return any(
            text in texts and timedelta() <= until - at <= timedelta(days=31)
            for at, text in self._texts().get((message["practice_id"], message["client_id"]), ())
        )

    def _texts(self) -> Mapping[tuple[str, str], list[tuple[datetime, str]]]:
        """When clients may have got which text."""
        texts = defaultdict(list)
        for message in self.messages:
            if message["state"] in MAY_HAVE_GONE and identity(message) in self.due:
                step = self.due[identity(message)].step
                (text,) = {
                    route["template"]
                    for route in step["channels"]
                    if route["channel"] == message["channel"]
                }
                client = (message["practice_id"], message["client_id"])
                texts[client].append((_at(message["sent_at"]), text))
        return {client: sorted(found) for client, found in texts.items()}

    def _was_capped(self, message: Json) -> bool:
        """Whether some cap was full at every step of the clock at which the message might go, if
        there was any; while it waited for its next try it could not, nor before its cause was told:
        a day's events follow its noon, and a slow worker may tell of them on the next."""
        known, ends = _at(message["due_at"]), _at(message["expires_at"])
        if not message.get("put_off"):
            known = max(known, self.due[identity(message)].told_by)
        tries = message.get("tries", ())
        free_from = _at(tries[-1]["started_at"]) + RETRIED_WITHIN if tries else None
        steps = pairwise(self.steps)
        moments = [
            now
            for (now, _), (_, left_at) in steps
            if known <= now < ends and (free_from is None or left_at > free_from)
        ]
        return all(self._is_full(message, now) for now in moments)

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

    def repeat_faults(self) -> list[str]:
        """Texts that a client got twice within 30 days."""
        return [
            f"{client} got {text} at {earlier} and {later}"
            for client, found in self._texts().items()
            for text in {each for _, each in found}
            for earlier, later in pairwise(at for at, each in found if each == text)
            if later - earlier < SURELY_TWICE
        ]

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


def _version(occasion: str) -> int:
    return int(occasion.rpartition(":")[2])


def _same_address(channel: str, stored: str, reached: str) -> bool:
    if channel == "sms":
        return re.sub(r"\D", "", reached)[-11:] == re.sub(r"\D", "", stored)[-11:]
    return stored == reached


def _described(message: Json) -> str:
    """Who it is, how it ended, and what tells why."""
    keys = ("due_at", "expires_at", "tries", "put_off")
    why = {key: message[key] for key in keys if key in message}
    return f"{identity(message)} is {message['state']} ({message['reason']}) {why}"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
