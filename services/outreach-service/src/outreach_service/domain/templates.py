"""What a message says: texts as data, in two languages, and what they may not contain."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from outreach_service.domain.playbook import Playbook
from outreach_service.domain.terms import Channel, Purpose

W = TypeVar("W", bound=StrEnum)

VARIABLES = frozenset({"name", "practice", "unsubscribe_url"})
"""All that a text may know of a client and a practice (RELIABILITY L4)."""

REFUSAL = "拒收请回复R"
"""The way out that every promotional SMS must name (RELIABILITY L10, L11)."""

TIER_NAMES = (
    *("prospect", "iron", "bronze", "silver", "gold"),
    *("潜在客户", "铁牌", "铜牌", "银牌", "金牌", "金钻"),
    *("strategic", "cultivate", "唤醒", "铂金", "钻石"),
)
"""Tier names never leave the house (REQUIREMENTS C-21, F43)."""

SENSITIVE_WORDS = (
    *("diagnosis", "diagnosed", "therapy", "therapist", "counselling", "counseling", "cure"),
    *("depression", "anxiety", "trauma", "guarantee", "guaranteed"),
    *("诊断", "治疗", "治愈", "疗效", "有效率", "保证", "抑郁", "焦虑", "创伤", "咨询师", "心理"),
)
"""Concern, service and efficacy words (RELIABILITY L13, L15), the same for all practices; words of
one practice's own would be `deny` of `lint`, which nothing fills yet."""

OFFER_WORDS = ("discount", "offer", "coupon", "% off", "优惠", "折扣", "打折", "特价", "赠送")
"""A care message may not contain an offer (REQUIREMENTS §5.1)."""

_PLACEHOLDER = re.compile(r"\{\{ ?([a-z_]+) ?\}\}")
_CODE = re.compile(r"\{[{%#]|[}%#]\}")
_LINK = re.compile(r"https?:|www\.|<\s*(img|a|script|link)\b", re.IGNORECASE)
_FIELDS = frozenset(
    {"key", "version", "channel", "purpose", "subject", "body", "provider_template", "params"}
)


class InvalidTemplate(ValueError):
    """A template that cannot be used; `field` says where, `problem` what."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Template:
    """One text for one channel and language; texts hold `{{ name }}` placeholders and nothing else.

    For e-mail `subject` and `body` are what is sent, as plain text. WeChat and SMS providers hold
    the approved text themselves, under `provider_template`: they are sent `params` (their name to
    a text), and `body` repeats the approved text for the lint and for people.
    """

    key: str
    version: int
    channel: Channel
    purpose: Purpose
    language: str
    subject: str
    body: str
    provider_template: str
    params: Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """Something that a text may not contain: where it is, and the offending span."""

    field: str
    problem: str


def _texts(template: Template) -> Iterable[tuple[str, str]]:
    yield "subject", template.subject
    yield "body", template.body
    for name, text in template.params.items():
        yield f"params.{name}", text


def _names(text: str, words: Iterable[str]) -> Iterable[str]:
    """The words that occur in the text: whole words in Latin letters, anywhere in Chinese."""
    for word in words:
        edge = r"(?<![a-z])" if word[0].isascii() and word[0].isalpha() else ""
        end = r"(?![a-z])" if word[-1].isascii() and word[-1].isalpha() else ""
        if re.search(edge + re.escape(word) + end, text, re.IGNORECASE):
            yield word


def _placeholders(where: str, text: str) -> Iterable[Finding]:
    for name in _PLACEHOLDER.findall(text):
        if name not in VARIABLES:
            yield Finding(where, f"unknown variable {name!r}")
    if _CODE.search(_PLACEHOLDER.sub("", text)):
        yield Finding(where, "only {{ variable }} placeholders are allowed")


def _privacy(template: Template, extra: Iterable[str]) -> Iterable[Finding]:
    words = [*TIER_NAMES, *SENSITIVE_WORDS, *extra]
    if template.purpose is Purpose.CARE:
        words += OFFER_WORDS
    for where, text in _texts(template):
        for word in _names(text, words):
            yield Finding(where, f"may not contain {word!r}")
        if _LINK.search(text):
            yield Finding(where, "may not contain a link or markup (L19)")


def _shape(template: Template) -> Iterable[Finding]:
    if template.channel is Channel.EMAIL:
        if not template.subject or "\n" in template.subject:
            yield Finding("subject", "an e-mail needs a subject of one line")
    elif not template.provider_template:
        yield Finding("provider_template", f"{template.channel} needs its provider's template code")


def _law(template: Template) -> Iterable[Finding]:
    """Signature and refusal by SMS (L10), a way out by e-mail (L22), WeChat's own rule (L14)."""
    marketing = template.purpose is Purpose.MARKETING
    if template.channel is Channel.SMS:
        if not template.body.startswith("【{{ practice }}】"):
            yield Finding("body", "an SMS opens with its signature, 【{{ practice }}】")
        if marketing and REFUSAL not in template.body:
            yield Finding("body", f"a promotional SMS says {REFUSAL}")
    way_out = "{{ unsubscribe_url }}" in template.body
    if template.channel is Channel.EMAIL and marketing and not way_out:
        yield Finding("body", "a promotional e-mail carries {{ unsubscribe_url }}")
    if template.channel is Channel.WECHAT and marketing:
        yield Finding("purpose", "WeChat template messages may not carry marketing (L14)")


def lint(template: Template, deny: Iterable[str] = ()) -> list[Finding]:
    """What stands against using a template; `deny` adds a practice's own words (F43, §5.1)."""
    found = [each for where, text in _texts(template) for each in _placeholders(where, text)]
    return [*found, *_shape(template), *_law(template), *_privacy(template, deny)]


@dataclass(frozen=True)
class Catalogue:
    """All templates of a practice, by key, channel and language."""

    templates: Mapping[tuple[str, Channel, str], Template]
    fallback: str = "zh-CN"

    def find(self, key: str, channel: Channel, language: str) -> Template | None:
        """The template in the language, else in the fallback language, else None."""
        found = self.templates.get((key, channel, language))
        return found or self.templates.get((key, channel, self.fallback))


def _template(value: object, path: str, language: str) -> Template:
    if not isinstance(value, Mapping):
        raise InvalidTemplate(path, "must be an object")
    fields: Mapping[str, Any] = value
    for name in fields:
        if name not in _FIELDS:
            raise InvalidTemplate(f"{path}.{name}", "is not known")
    params = fields.get("params", {})
    if not isinstance(params, Mapping):
        raise InvalidTemplate(f"{path}.params", "must be an object")
    for name in ("key", "channel", "purpose", "body"):
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise InvalidTemplate(f"{path}.{name}", "must be a text")
    version = fields.get("version")
    if not isinstance(version, int) or version < 1:
        raise InvalidTemplate(f"{path}.version", "must be a number from 1")
    return Template(
        key=fields["key"],
        version=version,
        channel=_word(Channel, fields["channel"], f"{path}.channel"),
        purpose=_word(Purpose, fields["purpose"], f"{path}.purpose"),
        language=language,
        subject=str(fields.get("subject", "")),
        body=fields["body"],
        provider_template=str(fields.get("provider_template", "")),
        params={str(name): str(text) for name, text in params.items()},
    )


def _word(kind: type[W], value: str, path: str) -> W:
    try:
        return kind(value)
    except ValueError as problem:
        raise InvalidTemplate(path, f"must be one of {', '.join(kind)}") from problem


def parse_templates(documents: Iterable[object], deny: Iterable[str] = ()) -> Catalogue:
    """A catalogue from parsed JSON documents `{language, templates}`, one a language.

    Raises InvalidTemplate for the first field that is wrong or that the lint objects to.
    """
    words = tuple(deny)
    catalogue: dict[tuple[str, Channel, str], Template] = {}
    for document in documents:
        if not isinstance(document, Mapping) or not isinstance(document.get("templates"), list):
            raise InvalidTemplate("templates", "must be a list, beside a language")
        language = str(document.get("language", ""))
        for index, value in enumerate(document["templates"]):
            path = f"{language}.templates[{index}]"
            template = _template(value, path, language)
            for finding in lint(template, words):
                raise InvalidTemplate(f"{path}.{finding.field}", finding.problem)
            catalogue[template.key, template.channel, language] = template
    return Catalogue(catalogue)


def without_template(playbook: Playbook, catalogue: Catalogue) -> list[str]:
    """Each route of the playbook that no template of its purpose serves, as `play/channel`."""
    gaps = []
    for play in playbook.plays:
        for route in (route for step in play.steps for route in step.routes):
            found = catalogue.find(route.template, route.channel, catalogue.fallback)
            if found is None or found.purpose is not play.purpose:
                gaps.append(f"{play.key}/{route.channel}")
    return gaps
