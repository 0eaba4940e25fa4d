"""From a template and a client's name to the text that is sent; nothing in either runs as code."""

import re
from collections.abc import Callable, Mapping

from outreach_service.domain.messages import Outgoing
from outreach_service.domain.templates import (
    PLACEHOLDER,
    Catalogue,
    Template,
    has_only_placeholders,
    tells,
)
from outreach_service.domain.terms import Channel, Purpose
from outreach_service.ports import PracticeNotReady, Rendered, RenderingFailed
from outreach_service.ports.records import ClaimedMessage
from rapport_contracts.characters import holds_encoded_word, is_shown, is_visible
from rapport_contracts.discreet import why_not_discreet

LONGEST_VALUE, LONGEST_LINK = 200, 2_000
"""Characters of a value that a person typed (a name), and of a link of ours, which holds ids and a
signature; longer ones are refused."""

NAME, PRACTICE, LINK = "name", "practice", "unsubscribe_url"

_JUDGED_ALONE = {PRACTICE: "。", LINK: "。"}
"""What stands in the text that is judged for the practice's name, which is judged by itself, and
for the link of ours, whose letters are chance: the end of a phrase, so that it divides no word."""

LONGEST_SUBJECT, LONGEST_SMS, LONGEST_BODY = 150, 500, 20_000
"""Characters; an SMS of 500 is already eight parts of one (SMS providers refuse more)."""

_WECHAT_LIMITS = {"thing": 20, "phrase": 5, "name": 10, "character_string": 32}
"""Characters that WeChat allows a value, by the kind its parameter is named for."""

_LONGEST_WECHAT = 20
"""For parameters of any other kind."""

_BREAK = re.compile(r"\s*[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]\s*")
"""What ends a line or jumps along it, with the spaces around."""


def _one_line(text: str) -> str:
    return _BREAK.sub(" ", text).strip()


def _value(name: str, typed: str, channel: Channel) -> str:
    """A value as it was typed, on one line. It can neither break out of that nor forge what
    surrounds it: an SMS's signature is set apart by 【】, so a name may not bring its own. All
    bodies are plain text: there is no markup that a value could open. Raises RenderingFailed."""
    longest = LONGEST_LINK if name == LINK else LONGEST_VALUE
    text = _one_line(typed)
    if len(text) > longest:
        raise RenderingFailed(name, f"is longer than {longest} characters")
    if not all(map(is_shown, text)):
        raise RenderingFailed(name, "has a character that not every screen shows")
    if not any(map(is_visible, text)):
        raise RenderingFailed(name, "is empty")
    if channel is Channel.SMS and not {"【", "】"}.isdisjoint(text):
        raise RenderingFailed(name, "has the brackets of an SMS's signature")
    return text


def _fitted(name: str, template: str, text: str) -> str:
    """A WeChat parameter, cut with an ellipsis to what its kind allows; WeChat refuses longer ones.
    Where the client's name stands in it, nothing is cut. Raises RenderingFailed."""
    limit = _WECHAT_LIMITS.get(name.rstrip("0123456789"), _LONGEST_WECHAT)
    if len(text) <= limit:
        return text
    if NAME in PLACEHOLDER.findall(template):
        raise RenderingFailed(NAME, f"leaves {name} longer than the {limit} that WeChat takes")
    return text[: limit - 1] + "…"


def _checked(field: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise RenderingFailed(field, f"is longer than {limit} characters")
    return text


def render(template: Template, values: Mapping[str, str]) -> Rendered:
    """The template with these values as they are, within its channel's limits.

    Raises RenderingFailed.
    """
    safe = {name: _value(name, text, template.channel) for name, text in values.items()}
    params = {name: _filled(f"params.{name}", text, safe) for name, text in template.params.items()}
    if template.channel is Channel.WECHAT:
        params = {name: _fitted(name, template.params[name], text) for name, text in params.items()}
    longest = LONGEST_SMS if template.channel is Channel.SMS else LONGEST_BODY
    subject = _one_line(_filled("subject", template.subject, safe))
    if holds_encoded_word(subject):
        raise RenderingFailed("subject", "has an encoded word, which is shown as another text")
    return Rendered(
        subject=_checked("subject", subject, LONGEST_SUBJECT),
        body=_checked("body", _filled("body", template.body, safe), longest),
        params=params,
    )


def _filled(field: str, text: str, values: Mapping[str, str]) -> str:
    """The text with each placeholder replaced by its value, once: a value that looks like a
    placeholder stays as it is."""
    if not has_only_placeholders(text):
        raise RenderingFailed(field, "holds more than placeholders")
    missing = set(PLACEHOLDER.findall(text)) - values.keys()
    if missing:
        raise RenderingFailed(field, f"needs a value for {min(missing)}")
    return PLACEHOLDER.sub(lambda found: values[found[1]], text)


class Composer:
    """Makes of a claimed message the one that a provider takes.

    `unsubscribe_url` makes the link by which a client ends a purpose on a channel: every e-mail has
    it, since every purpose asks for consent.
    """

    def __init__(
        self, catalogue: Catalogue, unsubscribe_url: Callable[[ClaimedMessage], str]
    ) -> None:
        self._catalogue = catalogue
        self._unsubscribe_url = unsubscribe_url

    def __call__(self, claimed: ClaimedMessage) -> Outgoing:
        """The message, judged as its reader would see it (F43, L15).

        Raises PracticeNotReady, and RenderingFailed for what waits for a person: of a text that
        only tells too much, not once somebody has approved it.
        """
        if (why := why_not_discreet(claimed.practice_name)) is not None:
            raise PracticeNotReady(PRACTICE, why)
        template = self._catalogue.find(claimed.template, claimed.channel, claimed.language)
        if template is None:
            raise RenderingFailed("template", "is not known")
        values = {NAME: claimed.name, PRACTICE: claimed.practice_name}
        url = None
        if claimed.channel is Channel.EMAIL:
            url = values[LINK] = self._unsubscribe_url(claimed)
        rendered = render(template, values)
        if not claimed.approved:
            _refuse_telling(template, {**values, **_JUDGED_ALONE}, claimed.purpose)
        return Outgoing(
            message_id=claimed.message_id,
            channel=claimed.channel,
            purpose=claimed.purpose,
            recipient=claimed.address,
            body=rendered.body,
            subject=rendered.subject,
            provider_template=template.provider_template,
            params=rendered.params,
            unsubscribe_url=url,
        )


def _refuse_telling(template: Template, values: Mapping[str, str], purpose: Purpose) -> None:
    """Raise RenderingFailed for a text that tells too much; which word is not said, since it may be
    one about the client."""
    text = render(template, values)
    parts = {"subject": text.subject, "body": text.body}
    parts |= {f"params.{name}": param for name, param in text.params.items()}
    for field, shown in parts.items():
        if any(tells(shown, purpose)):
            raise RenderingFailed(field, "has a word or link that no message may show")
