"""From a template and a client's name to the text that is sent; no code runs, none gets in."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from outreach_service.domain.templates import Template
from outreach_service.domain.terms import Channel
from outreach_service.ports import Rendered, RenderingFailed

LONGEST_VALUE, LONGEST_LINK = 200, 2_000
"""Characters of a value that somebody gave (a name), and of a link of ours, which holds ids and a
signature; longer ones are refused."""

LINK = "unsubscribe_url"

LONGEST_SUBJECT, LONGEST_SMS, LONGEST_BODY = 150, 500, 20_000
"""Characters; an SMS of 500 is already eight parts of one (SMS providers refuse more)."""

_WECHAT_LIMITS = {"thing": 20, "phrase": 5, "name": 10, "character_string": 32}
"""Characters that WeChat allows a value, by the kind its parameter is named for (§3.1)."""

_LONGEST_WECHAT = 20
"""For parameters of any other kind."""


def _plain(text: str) -> str:
    """Without control and invisible format characters; line breaks and tabs become spaces."""
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


class Renderer:
    """Fills templates in a sandbox: a missing value is an error, and code is out of reach."""

    def __init__(self) -> None:
        self._environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined,
            autoescape=False,  # plain text only; _escaped guards each channel
            keep_trailing_newline=True,
        )
        self._compiled = lru_cache(maxsize=1_000)(self._environment.from_string)

    def render(self, template: Template, values: Mapping[str, str]) -> Rendered:
        """The template with these values, within its channel's limits. Raises RenderingFailed."""
        safe = {name: _escaped(name, text, template.channel) for name, text in values.items()}
        params = {
            name: self._fill(f"params.{name}", text, safe) for name, text in template.params.items()
        }
        if template.channel is Channel.WECHAT:
            params = {name: _shortened(name, text) for name, text in params.items()}
        longest = LONGEST_SMS if template.channel is Channel.SMS else LONGEST_BODY
        subject = _plain(self._fill("subject", template.subject, safe))
        return Rendered(
            subject=_checked("subject", subject, LONGEST_SUBJECT),
            body=_checked("body", self._fill("body", template.body, safe), longest),
            params=params,
        )

    def _fill(self, field: str, text: str, values: Mapping[str, str]) -> str:
        try:
            return self._compiled(text).render(values)
        except TemplateError as problem:
            raise RenderingFailed(field, type(problem).__name__) from problem
