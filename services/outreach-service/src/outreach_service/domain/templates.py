"""What a message says: texts as data, in two languages, and what they may not contain."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from outreach_service.domain.faults import Fault, Place
from outreach_service.domain.playbook import Playbook
from outreach_service.domain.terms import Channel, Purpose, why_refused

VARIABLES = frozenset({"name", "practice", "unsubscribe_url"})
"""All that a text may know of a client and a practice (L4)."""

REFUSAL = "拒收请回复R"
"""How to refuse, which every promotional SMS must say (L10, L11)."""

TIER_NAMES = (
    *("prospect", "iron", "bronze", "silver", "gold"),
    *("潜在客户", "铁牌", "铜牌", "银牌", "金牌", "金钻"),
    *("strategic", "cultivate", "唤醒", "铂金", "钻石"),
)
"""No text may hold a tier name: none reaches a client (C-21, F43)."""

SENSITIVE_WORDS = (
    *("diagnosis", "diagnosed", "therapy", "therapist", "counselling", "counseling", "cure"),
    *("counsellor", "counsellors", "counselor", "counselors", "therapies", "therapists"),
    *("psychotherapy", "psychotherapist", "psychotherapists", "psychology", "psychological"),
    *("psychologist", "psychologists", "psychiatry", "psychiatrist", "psychiatrists"),
    *("psychiatric", "mental health", "addiction", "addictions", "rehab", "suicide", "suicidal"),
    *("depression", "depressed", "anxiety", "trauma", "bipolar", "guarantee", "guaranteed"),
    *("诊断", "治疗", "治愈", "疗效", "有效率", "保证", "抑郁", "焦虑", "创伤", "咨询师", "心理"),
    *("診斷", "治療", "治癒", "療效", "保證", "憂鬱", "抑鬱", "焦慮", "創傷", "諮商", "諮詢師"),
    *("精神科", "成瘾", "成癮", "失眠", "自杀", "自殺"),
)
"""Words of concern, of service and of effect, the same for all practices (L13, L15). The words of
one practice are the argument `deny` of `lint`, which nothing fills yet."""

OFFER_WORDS = ("discount", "offer", "coupon", "% off", "优惠", "折扣", "打折", "特价", "赠送")
"""A care message may not contain an offer: with one it would be marketing."""

PLACEHOLDER = re.compile(r"\{\{ ?([a-z_]+) ?\}\}")
"""The one thing that a text may hold besides plain text: `{{ name }}`."""

_CODE = re.compile(r"\{[{%#]|[}%#]\}")
"""What looks like a placeholder, or like the code of a template engine."""

_LINK = re.compile(r"https?:|www\.|<\s*(img|a|script|link)\b", re.IGNORECASE)


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


def _texts(template: Template) -> Iterable[tuple[Place, str]]:
    yield ("subject",), template.subject
    yield ("body",), template.body
    for name, text in template.params.items():
        yield ("params", name), text


_BLANK_LETTERS = frozenset("\u115f\u1160")
"""Letters that show nothing."""

_ENDS = re.escape(',;:!?。、—"“”()[]{}<>「」『』《》〈〉【】\n\r\u2028\u2029')
_SIGNS, _SIGNS_AND_BLANKS, _ANY = r"(?:[^\w\s]|_)*", rf"(?:[^\w{_ENDS}]|_)*", r"[\W_]*"
"""What may divide the letters of a word: any sign but a blank; also blanks, but nothing that ends
a phrase; anything but a letter or digit."""

_ALONE = r"(?<![^\W_]){}(?![^\W_])"
"""A letter beside which there is none."""


def _read(text: str) -> str:
    """The text as an eye reads it, in lower case: full-width letters are letters, and what is
    invisible, or a mark on a letter, is not there."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text)
    seen = (each for each in apart if unicodedata.category(each) not in {"Cf", "Mn", "Me"})
    return "".join(each for each in seen if each not in _BLANK_LETTERS).lower()


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


@lru_cache(maxsize=1000)
def _sought(listed: str) -> tuple[str, re.Pattern[str]]:
    """The letters of a word, and what finds it in a text that was read, also when it is divided.

    In Latin letters it is a whole word, in Chinese it is found anywhere. Signs may divide it
    (`de-pression`, `自.杀`). Blanks may divide Chinese, which needs none; Latin letters only where
    each stands alone (`d e p r e s s i o n`): between words of several letters a blank is the
    ordinary border (`coup on`).
    """
    word = _read(listed)
    within = _SIGNS if word.isascii() else _SIGNS_AND_BLANKS
    divided = _SIGNS_AND_BLANKS.join(within.join(map(re.escape, part)) for part in word.split())
    edge = r"(?<![a-z])" if word[0].isascii() and word[0].isalpha() else ""
    end = r"(?![a-z])" if word[-1].isascii() and word[-1].isalpha() else ""
    alone = _ANY.join(_ALONE.format(re.escape(each)) for each in word.replace(" ", ""))
    return _letters(word), re.compile(f"{edge}{divided}{end}|{alone}")


def _names(text: str, words: Iterable[str]) -> Iterable[str]:
    """The words that occur in a text that was read."""
    letters = _letters(text)
    for word in words:
        its_letters, pattern = _sought(word)
        if its_letters in letters and pattern.search(text):  # nearly none are
            yield word


def has_only_placeholders(text: str) -> bool:
    """Whether the text without its placeholders is plain."""
    return _CODE.search(PLACEHOLDER.sub("", text)) is None


def _placeholders(where: Place, text: str) -> Iterable[Fault]:
    for name in PLACEHOLDER.findall(text):
        if name not in VARIABLES:
            yield Fault(where, f"unknown variable {name!r}")
    if not has_only_placeholders(text):
        yield Fault(where, "only {{ variable }} placeholders are allowed")


def tells(text: str, purpose: Purpose, deny: Iterable[str] = ()) -> Iterable[str]:
    """What in a text tells more than the client's own screen may show (L15), or leads elsewhere
    (L19): each word in quotes, and links."""
    words = [*TIER_NAMES, *SENSITIVE_WORDS, *deny]
    if purpose is Purpose.CARE:
        words += OFFER_WORDS
    read = _read(text)
    yield from map(repr, _names(read, words))
    if _LINK.search(read):
        yield "a link or markup"


def _privacy(template: Template, deny: Collection[str]) -> Iterable[Fault]:
    for where, text in _texts(template):
        for found in tells(text, template.purpose, deny):
            yield Fault(where, f"may not contain {found}")


def _shape(template: Template) -> Iterable[Fault]:
    if template.channel is Channel.EMAIL:
        if not template.subject or "\n" in template.subject:
            yield Fault(("subject",), "an e-mail needs a subject of one line")
    elif not template.provider_template:
        yield Fault(
            ("provider_template",), f"{template.channel} needs its provider's template code"
        )


def _law(template: Template) -> Iterable[Fault]:
    """Signature and refusal by SMS (L10), a way out by e-mail (L1, L22), the provider's rule (L14).
    Every purpose asks for consent, so an e-mail of any has a way out."""
    marketing = template.purpose is Purpose.MARKETING
    if template.channel is Channel.SMS:
        if not template.body.startswith("【{{ practice }}】"):
            yield Fault(("body",), "an SMS opens with its signature, 【{{ practice }}】")
        if marketing and REFUSAL not in template.body:
            yield Fault(("body",), f"a promotional SMS says {REFUSAL}")
    way_out = "{{ unsubscribe_url }}" in template.body
    if template.channel is Channel.EMAIL and not way_out:
        yield Fault(("body",), "an e-mail carries {{ unsubscribe_url }}")
    if (why := why_refused(template.channel, template.purpose)) is not None:
        yield Fault(("purpose",), why)


def lint(template: Template, deny: Collection[str] = ()) -> list[Fault]:
    """What forbids a template's use, by its field; `deny` adds a practice's own words (F43)."""
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

    def keys_for(self, channel: Channel, purpose: Purpose) -> list[str]:
        """The keys that a route of the channel may name in a play of the purpose, in order."""
        return sorted(
            key
            for (key, of_channel, language), template in self.templates.items()
            if (of_channel, language, template.purpose) == (channel, self.fallback, purpose)
        )


def without_template(playbook: Playbook, catalogue: Catalogue) -> list[Fault]:
    """Each route of the playbook that no template of its play's purpose serves."""
    return [
        Fault(
            ("plays", index, "steps", number, "channels", position, "template"),
            f"no template of this key for {play.purpose} by {route.channel}; " + _there_are(keys),
        )
        for index, play in enumerate(playbook.plays)
        for number, step in enumerate(play.steps)
        for position, route in enumerate(step.routes)
        if route.template not in (keys := catalogue.keys_for(route.channel, play.purpose))
    ]


def _there_are(keys: Sequence[str]) -> str:
    return f"there are {', '.join(keys)}" if keys else "there is none at all"
