"""From a template and a client's name to the text that is sent; nothing in either runs as code."""

import re
import unicodedata
from collections.abc import Mapping

from outreach_service.domain.templates import PLACEHOLDER, Template, has_only_placeholders
from outreach_service.domain.terms import Channel
from outreach_service.ports import Rendered, RenderingFailed

LONGEST_VALUE, LONGEST_LINK = 200, 2_000
"""Characters of a value that a person typed (a name), and of a link of ours, which holds ids and a
signature; longer ones are refused."""

LINK = "unsubscribe_url"

LONGEST_SUBJECT, LONGEST_SMS, LONGEST_BODY = 150, 500, 20_000
"""Characters; an SMS of 500 is already eight parts of one (SMS providers refuse more)."""

_WECHAT_LIMITS = {"thing": 20, "phrase": 5, "name": 10, "character_string": 32}
"""Characters that WeChat allows a value, by the kind its parameter is named for."""

_LONGEST_WECHAT = 20
"""For parameters of any other kind."""


def _plain(text: str) -> str:
    """The text on one line, without control and invisible format characters."""
    spaced = re.sub(r"[\s\u2028\u2029]+", " ", text)
    return "".join(each for each in spaced if unicodedata.category(each) not in _UNSEEN).strip()


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def _escaped(name: str, value: str, channel: Channel) -> str:
    """A value that can neither break out of its line nor forge what surrounds it.

    An SMS's signature is set apart by 【】, so a name may not bring its own. All bodies are plain
    text: there is no markup that a value could open.
    """
    text = _plain(_checked(name, value, LONGEST_LINK if name == LINK else LONGEST_VALUE))
    if channel is Channel.SMS:
        text = text.replace("【", "(").replace("】", ")")
    if not text:
        raise RenderingFailed(name, "is empty")
    return text


def _shortened(name: str, text: str) -> str:
    """A WeChat value cut to what its kind allows, with an ellipsis; WeChat refuses longer ones."""
    kind = name.rstrip("0123456789")
    limit = _WECHAT_LIMITS.get(kind, _LONGEST_WECHAT)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _checked(field: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise RenderingFailed(field, f"is longer than {limit} characters")
    return text


def render(template: Template, values: Mapping[str, str]) -> Rendered:
    """The template with these values, within its channel's limits. Raises RenderingFailed."""
    safe = {name: _escaped(name, text, template.channel) for name, text in values.items()}
    params = {name: _filled(f"params.{name}", text, safe) for name, text in template.params.items()}
    if template.channel is Channel.WECHAT:
        params = {name: _shortened(name, text) for name, text in params.items()}
    longest = LONGEST_SMS if template.channel is Channel.SMS else LONGEST_BODY
    subject = _plain(_filled("subject", template.subject, safe))
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
