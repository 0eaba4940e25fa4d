"""One client's story: activity, each tier change and its reason, messages, the next change."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rapport_contracts.canonical import Line, TierChange
from rapport_devkit.access import Access
from rapport_devkit.api_client import ApiClient
from rapport_devkit.demo.tables import money
from rapport_devkit.words import ENGLISH, Words

_SENT = frozenset({"accepted", "delivered"})
_WITHHELD = frozenset({"suppressed", "cancelled", "expired", "deferred"})
_MANY_CHANGES = 8
"""A longer story is not read."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A message with its text and attempts, and the client to whom it goes."""

    external_id: str
    message: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Story:
    """One client, and an example of a message that was sent and of one that was withheld.

    `identities` are all numbers by which the client is known. An example is the client's own where
    they have one, else another client's, else None.
    """

    external_id: str
    identities: Sequence[Mapping[str, Any]]
    activity: Sequence[Mapping[str, Any]]
    changes: Sequence[TierChange]
    tier: Mapping[str, Any]
    sent: Example | None
    withheld: Example | None

    @property
    def client_id(self) -> str:
        """Rapport's id of the client."""
        return str(self.tier["client_id"])

    @property
    def currency(self) -> str:
        """That of the client's payments; empty where there is none."""
        return next(filter(None, (item["currency"] for item in self.activity)), "")


def find_story(
    access: Access, client_ids: Mapping[str, str], changes: Mapping[str, Sequence[TierChange]]
) -> Story:
    """The story of the client with the most to tell; `client_ids` is external id -> client id.

    First come clients to whom one message was sent and from whom one was withheld, then those whose
    tier changed for the most reasons. Whether there is a client with both depends on the data.
    """
    messages = _messages(access)
    by_interest = sorted(
        client_ids,
        key=lambda name: (
            _plainness(changes.get(client_ids[name], ()), messages.get(client_ids[name], ())),
            name,
        ),
    )
    external_id = by_interest[0]
    client_id = client_ids[external_id]
    outreach = access.practice.get("outreach")
    of_each = [(name, messages.get(client_ids[name], [])) for name in by_interest]
    return Story(
        external_id=external_id,
        identities=access.practice["ingestion"].get(f"/v1/clients/{client_id}")["identities"],
        activity=list(access.practice["ingestion"].items(f"/v1/clients/{client_id}/activity")),
        changes=changes.get(client_id, ()),
        tier=access.practice["scoring"].get(f"/v1/clients/{client_id}/tier"),
        sent=_example(outreach, of_each, _SENT),
        withheld=_example(outreach, of_each, _WITHHELD),
    )


def print_story(console: Console, story: Story, words: Words = ENGLISH) -> None:
    """Print it; all times are local at the practice."""
    zone = story.tier["zone"]
    console.rule(escape(words("The story of {client}", client=story.external_id)))
    one = words(
        "One client in two systems, each with a number of its own: {numbers}",
        numbers=" · ".join(f"{one['namespace']} {one['external_id']}" for one in story.identities),
    )
    console.print(one, markup=False, highlight=False, soft_wrap=True)
    console.print(_activity(story.activity, words))
    console.print(_changes(story.changes, story.currency, words))
    for title, example in (
        (words("A message as it was rendered"), story.sent),
        (words("Another one that was withheld"), story.withheld),
    ):
        console.print(_titled(title, example, story.external_id, zone, words))
    ahead = words("Next, if nothing happens:")
    console.print(f"[bold]{ahead}[/] {escape(_next(story.tier, words))}", highlight=False)


def _messages(access: Access) -> dict[str, list[Mapping[str, Any]]]:
    """All messages by client id, in the order of their due times.

    Ties are broken without ids, which are random: two runs show the same message.
    """
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    if "outreach" in access.practice:
        for message in access.practice["outreach"].items("/v1/messages"):
            found[message["client_id"]].append(message)
    for own in found.values():
        own.sort(key=lambda one: (one["due_at"], one["play"], one["step"], one["occasion"]["id"]))
    return found


def _plainness(
    changes: Sequence[TierChange], messages: Sequence[Mapping[str, Any]]
) -> tuple[bool, bool, int, int, int]:
    """How little a story shows: the least is the best story."""
    states = {message["state"] for message in messages}
    reasons = {change.reason for change in changes}
    return (
        not states & _SENT,
        not states & _WITHHELD,
        -len(reasons),
        -len({change.direction for change in changes}),
        abs(len(changes) - _MANY_CHANGES),
    )


def _example(
    outreach: ApiClient | None,
    of_each: Sequence[tuple[str, Sequence[Mapping[str, Any]]]],
    states: frozenset[str],
) -> Example | None:
    """The last message in one of the states of the first client who has one."""
    for external_id, messages in of_each:
        wanted = [message["message_id"] for message in messages if message["state"] in states]
        if outreach is not None and wanted:
            message = outreach.get(f"/v1/messages/{wanted[-1]}")
            return Example(external_id=external_id, message=message)
    return None


def _activity(activity: Sequence[Mapping[str, Any]], words: Words) -> Table:
    """A line for each day and kind that is left: an hour that took place is no longer booked."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    currency = ""
    for item in activity:
        count, amount = counts.get((item["on"], item["kind"]), (0, 0))
        counts[item["on"], item["kind"]] = (count + item["count"], amount + item["amount_minor"])
        currency = item["currency"] or currency
    table = Table(title=words("What they did"), title_justify="left")
    for column in ("day of the hour", "what"):
        table.add_column(words(column))
    for column in ("times", "amount"):
        table.add_column(words(column), justify="right")
    for (on, kind), (count, amount) in counts.items():
        if count or amount:
            paid = kind in ("settled", "refunded")
            table.add_row(on, words(kind), str(count), money(amount, currency) if paid else "")
    return table


def _changes(changes: Sequence[TierChange], currency: str, words: Words) -> Table:
    table = Table(title=words("Each change of tier, and why"), title_justify="left")
    for column in ("effective", "to", "reason", "score", "because"):
        table.add_column(words(column))
    for change in changes:
        lines = [
            f"{words(line.line.partition('.')[0])} {line.points} ({_value(line, currency)})"
            for line in change.explanation
            if not line.line.startswith("next_tier")
        ]
        table.add_row(
            _local(change.effective_at, change.zone),
            f"{words(change.direction)} {change.to_tier}",
            words(change.reason),
            str(change.score),
            "\n".join(lines),
        )
    return table


def _value(line: Line, currency: str) -> str:
    """What a line counted; money as money."""
    return money(int(line.value), currency) if line.line.startswith("monetary.") else line.value


def _titled(
    title: str, example: Example | None, external_id: str, zone: str, words: Words
) -> Panel:
    """The example under a title that names its client when it is not `external_id`."""
    if example is None:
        return Panel(words("there is none"), title=title, title_align="left")
    if example.external_id != external_id:
        title = words("{title}, of {client}", title=title, client=example.external_id)
    text = Text(_message(example.message, zone, words))
    return Panel(text, title=escape(title), title_align="left")


def _message(message: Mapping[str, Any], zone: str, words: Words) -> str:
    cause, preview = message["cause"], message["preview"]
    lines = [
        words(
            "play {play} ({purpose}), because {direction} to {tier} by {reason} at {at}",
            play=message["play"],
            purpose=message["purpose"],
            direction=words(cause["direction"]),
            tier=cause["to_tier"],
            reason=words(cause["reason"]),
            at=_local(cause["effective_at"], zone),
        ),
        words("state {state}", state=message["state"])
        + (f": {message['reason']}" if message["reason"] else ""),
    ]
    lines += [
        words(
            "attempt {number} by {channel}: {outcome} {code}",
            number=attempt["number"],
            channel=attempt["channel"],
            outcome=attempt["outcome"],
            code=attempt["code"] or "",
        )
        for attempt in message["tries"]
    ]
    if preview["missing"]:
        lines.append(words("no text: {missing}", missing=preview["missing"]))
    else:
        by = words(
            "by {channel}, template {template}:",
            channel=preview["channel"],
            template=preview["template"],
        )
        lines += ["", by]
        lines += [part for part in (preview["subject"], preview["body"]) if part]
        lines += [f"  {name}: {value}" for name, value in preview["params"].items()]
    return "\n".join(lines)


def _next(tier: Mapping[str, Any], words: Words) -> str:
    """The next change, and the line of the rulebook that causes it."""
    coming = tier["next_transition"]
    if coming is None:
        return words("{tier} for good", tier=tier["tier"])
    return words(
        "{direction} from {from_tier} to {to_tier} at {at}, because {line} ({input}) runs out",
        direction=words(coming["direction"]),
        from_tier=coming["from_tier"],
        to_tier=coming["to_tier"],
        at=_local(coming["at"], tier["zone"]),
        line=coming["because"]["line"],
        input=coming["because"]["input"],
    )


def _local(instant: datetime | str, zone: str) -> str:
    """An instant in the practice's zone."""
    aware = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return aware.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
