"""Generated people: contacts and consents for the ids of a file, the same at every run.

They belong to nobody, and only the sandbox gets them. Consents are mixed, so that some messages go
by another channel and some are withheld; families share a phone.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapport_devkit.api_client import ApiClient

_BULK = 1000
_FAMILY_EVERY = 12
_FAMILY_SIZE = 4
_EVIDENCE = "invented for the demo"
_TEXT_VERSION = "demo-1"
_STATED_AT = "1990-01-01T00:00:00Z"
"""Before the first event of any data set: a statement may not lie in the future."""
_CHANNELS = ("wechat", "sms", "email")
_HAS = {"wechat": 60, "sms": 85, "email": 90}
"""How many of a hundred people can be reached by each channel."""
_RESERVED = 6
_GRANTS = {"service": 100, "care": 85, "marketing": 50}
"""How many of a hundred agree to each purpose; none is given for marketing by WeChat (L14)."""
_FAMILY = "王李张刘陈杨黄赵吴周徐孙马朱胡林"
_GIVEN = ("小满", "思远", "佳宁", "子涵", "雨桐", "晓峰", "静怡", "文博", "嘉欣", "明轩")


class ContactRefused(RuntimeError):
    """Outreach refused a generated contact or consent: the generator is wrong."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A client for outreach, who lives in `zone`. `household` is the number of the person whose
    phone they use; a person who uses another's phone has no WeChat."""

    client_id: str
    external_id: str
    number: int
    household: int
    zone: str

    @property
    def name(self) -> str:
        """The name in greetings."""
        family, given = self._digest("name")[:2]
        return _FAMILY[family % len(_FAMILY)] + _GIVEN[given % len(_GIVEN)]

    def contacts(self) -> Iterator[dict[str, Any]]:
        """The bodies of their contacts."""
        addresses = {
            "wechat": f"o{self._digest('openid').hex()[:27]}",
            "sms": f"+861390{self.household % 10**7:07d}",
            # Not the id: an owner's file may have blanks, an @ or other letters in it.
            "email": f"c{self._digest('mailbox').hex()[:16]}@example.net",
        }
        for channel in self._channels():
            yield {
                "client_id": self.client_id,
                "channel": channel,
                "address": addresses[channel],
                "name": self.name,
                "zone": self.zone,
            }

    def consents(self) -> Iterator[dict[str, Any]]:
        """The bodies of their consents, one for each channel they have and each purpose."""
        for channel in self._channels():
            for purpose, of_hundred in _GRANTS.items():
                if (channel, purpose) == ("wechat", "marketing"):
                    continue
                yield {
                    "id": f"{self.client_id}/{channel}/{purpose}",
                    "stated_at": _STATED_AT,
                    "client_id": self.client_id,
                    "channel": channel,
                    "purpose": purpose,
                    "granted": self._agrees(channel, purpose, of_hundred),
                    "evidence": _EVIDENCE,
                    "text_version": _TEXT_VERSION,
                }

    def _agrees(self, channel: str, purpose: str, of_hundred: int) -> bool:
        """Some agree to service only; others decide by channel and purpose. Who shares a phone
        decides together: where one of them says no, nothing goes to any."""
        who = f"household {self.household}" if channel == "sms" else self.external_id
        if purpose != "service" and _percentile(who, "reserved") < _RESERVED:
            return False
        return _percentile(who, f"{channel}/{purpose}") < of_hundred

    def _channels(self) -> list[str]:
        if self.household != self.number:
            return ["sms"]
        return [name for name in _CHANNELS if _percentile(self.external_id, name) < _HAS[name]]

    def _digest(self, about: str) -> bytes:
        return _digest(self.external_id, about)


def _percentile(who: str, about: str) -> int:
    """A number from 0 to 99 that depends only on a person or household, and on `about`."""
    return int.from_bytes(_digest(who, about)[:4], "big") % 100


def _digest(who: str, about: str) -> bytes:
    return hashlib.sha256(f"{who}/{about}".encode()).digest()


def generate_people(client_ids: Mapping[str, str], zone: str) -> list[Person]:
    """People for external id -> client id, who live in the practice's zone, whatever country their
    numbers are of; of every twelve, four are a family with one phone."""
    return [
        Person(
            client_id=client_ids[external_id],
            external_id=external_id,
            number=number,
            household=_household(number),
            zone=zone,
        )
        for number, external_id in enumerate(sorted(client_ids))
    ]


def _household(number: int) -> int:
    place = number % _FAMILY_EVERY
    return number - place if place < _FAMILY_SIZE else number


def tell_outreach(outreach: ApiClient, people: Sequence[Person]) -> None:
    """Send the contacts and consents of all people, 1,000 at a time.

    Raises ApiProblem, and ContactRefused when outreach refuses one of them.
    """
    contacts = [body for person in people for body in person.contacts()]
    consents = [body for person in people for body in person.consents()]
    for path, bodies in (("/v1/contacts", contacts), ("/v1/consents", consents)):
        for first in range(0, len(bodies), _BULK):
            answer = outreach.post(path, {"items": bodies[first : first + _BULK]})
            refused = [item for item in answer["items"] if item["outcome"] != "saved"]
            if refused:
                raise ContactRefused(f"{path}: {refused[0]}")
