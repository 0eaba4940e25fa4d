"""The signals of other systems that are no care: lenient to extra keys, errors by field.

Events with one `signal_id` tell of one signal, and the latest by its `time` says all that holds.
None of them holds words: what a client comes for, and what was said, stays where it was said.
"""

from typing import Literal

from pydantic import model_validator

from rapport_contracts.source_envelope import OfClient, OfKnown, SourceModel
from rapport_contracts.values import Amount, Currency, Day, Name, WordlessCode

Clarity = Literal["clear", "growing", "vague", "unknown", "shelved"]
"""How clear it is to a client what they need."""
Urgency = Literal["high", "medium", "low"]
CaseOutcome = Literal["completed", "transferred", "stopped"]
"""Why a case was closed: its end was reached, it went to somebody else, or it was broken off."""
Engagement = Literal["reply", "article", "group", "event"]
"""By what a client took part: a reply, an article read, a group joined, an event visited."""


class SignalData(SourceModel):
    """The signal of the event. `signal_id` is the source's own, unique within the source; without
    it the signal is named by the event's `id`."""

    signal_id: Name | None = None


class KnownSignal(SignalData):
    """A signal of which several events tell."""

    signal_id: Name


class Contact(SignalData):
    """With whom a client was in touch, for which service, where and how: codes of the practice."""

    counsellor_id: WordlessCode | None = None
    service_code: WordlessCode | None = None
    site: WordlessCode | None = None
    channel: WordlessCode | None = None


class Referral(KnownSignal):
    """A person whom the client has sent, by the source's id of the referral."""

    channel: WordlessCode | None = None


class Taking(SignalData):
    """How a client took part, and in what, by a code of the practice."""

    engagement: Engagement
    code: WordlessCode | None = None


class Need(SignalData):
    """What is known of a client's decision: how clear the need is, how urgent, and the amount that
    was quoted. `code` never says what the client comes for."""

    clarity: Clarity | None = None
    urgency: Urgency | None = None
    amount_minor: Amount | None = None
    currency: Currency | None = None
    code: WordlessCode | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "Need":
        """Refuse an amount of no currency, and a currency of nothing."""
        if (self.amount_minor is None) is not (self.currency is None):
            msg = "amount_minor and currency must stand together"
            raise ValueError(msg)
        return self


class Case(KnownSignal):
    """A course of counselling, from its first hour to its end."""

    counsellor_id: WordlessCode | None = None
    service_code: WordlessCode | None = None


class CaseEnd(KnownSignal):
    """How a case ended."""

    outcome: CaseOutcome


class Arrears(KnownSignal):
    """What a client owes, in minor units of an ISO 4217 currency."""

    amount_minor: Amount
    currency: Currency


class Override(KnownSignal):
    """A tier that a person has set, and why, by a code; up to and with the day `until`, if it has
    an end."""

    tier: WordlessCode
    reason: WordlessCode
    until: Day | None = None


class Consulted(OfClient):
    """A client asked for advice, and got it."""

    type: Literal["rapport.signal.consulted.v1"]
    data: Contact


class Visited(OfClient):
    """A client came, without a booking that tells of it."""

    type: Literal["rapport.signal.visited.v1"]
    data: Contact


class Enquired(OfClient):
    """A client asked about a service."""

    type: Literal["rapport.signal.enquired.v1"]
    data: Contact


class ReferralMade(OfClient):
    """The client has sent somebody."""

    type: Literal["rapport.signal.referral_made.v1"]
    data: Referral


class ReferralConverted(OfKnown):
    """Whom the client has sent has become a client; it is of the one who sent."""

    type: Literal["rapport.signal.referral_converted.v1"]
    data: Referral


class Engaged(OfClient):
    """A client took part in something. What Rapport has sent is no signal: report what the client
    did, never what was sent."""

    type: Literal["rapport.signal.engaged.v1"]
    data: Taking


class NeedNoted(OfClient):
    """Somebody of the practice has noted how far the client's decision is."""

    type: Literal["rapport.signal.need_noted.v1"]
    data: Need


class CaseOpened(OfClient):
    """A case begins, or goes on again."""

    type: Literal["rapport.signal.case_opened.v1"]
    data: Case


class CaseClosed(OfKnown):
    """A case has ended."""

    type: Literal["rapport.signal.case_closed.v1"]
    data: CaseEnd


class ArrearsOpened(OfClient):
    """A client owes money, or another amount than before."""

    type: Literal["rapport.signal.arrears_opened.v1"]
    data: Arrears


class ArrearsCleared(OfKnown):
    """A client has paid what they owed."""

    type: Literal["rapport.signal.arrears_cleared.v1"]
    data: KnownSignal


class NeedConsentGiven(OfClient):
    """A client agrees that what they need may be considered."""

    type: Literal["rapport.signal.need_consent_given.v1"]
    data: KnownSignal


class NeedConsentWithdrawn(OfKnown):
    """A client agrees no longer that what they need may be considered."""

    type: Literal["rapport.signal.need_consent_withdrawn.v1"]
    data: KnownSignal


class OverrideBegun(OfClient):
    """A person has set the client's tier."""

    type: Literal["rapport.signal.override_begun.v1"]
    data: Override


class OverrideEnded(OfKnown):
    """The client's tier is found as that of others again."""

    type: Literal["rapport.signal.override_ended.v1"]
    data: KnownSignal


class NeutralBegun(OfClient):
    """The client does not want to be graded."""

    type: Literal["rapport.signal.neutral_begun.v1"]
    data: KnownSignal


class NeutralEnded(OfKnown):
    """The client may be graded again."""

    type: Literal["rapport.signal.neutral_ended.v1"]
    data: KnownSignal


class SignalWithdrawn(OfKnown):
    """A signal was told by mistake: it counts for nothing, until it is told again, later."""

    type: Literal["rapport.signal.withdrawn.v1"]
    data: KnownSignal


SignalEvent = (
    Consulted
    | Visited
    | Enquired
    | ReferralMade
    | ReferralConverted
    | Engaged
    | NeedNoted
    | CaseOpened
    | CaseClosed
    | ArrearsOpened
    | ArrearsCleared
    | NeedConsentGiven
    | NeedConsentWithdrawn
    | OverrideBegun
    | OverrideEnded
    | NeutralBegun
    | NeutralEnded
    | SignalWithdrawn
)
