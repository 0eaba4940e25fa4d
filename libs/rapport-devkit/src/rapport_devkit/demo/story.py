"""One client's story: activity, each tier change and its reason, messages, the next change."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from rapport_contracts.canonical import TierChange
from rapport_devkit.access import Access
from rapport_devkit.api_client import ApiClient

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

    An example is the client's own where they have one, else another client's, else None.
    """

    external_id: str
    activity: Sequence[Mapping[str, Any]]
    changes: Sequence[TierChange]
    tier: Mapping[str, Any]
    sent: Example | None
    withheld: Example | None

    @property
    def client_id(self) -> str:
        """Rapport's id of the client."""
        return str(self.tier["client_id"])


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
        activity=list(access.practice["ingestion"].items(f"/v1/clients/{client_id}/activity")),
        changes=changes.get(client_id, ()),
        tier=access.practice["scoring"].get(f"/v1/clients/{client_id}/tier"),
        sent=_example(outreach, of_each, _SENT),
        withheld=_example(outreach, of_each, _WITHHELD),
    )


def print_story(console: Console, story: Story) -> None:
    """Print it; all times are local at the practice."""
    zone = story.tier["zone"]
    console.rule(f"The story of {story.external_id}")
    console.print(_activity(story.activity))
    console.print(_changes(story.changes))
    for title, example in (
        ("A message as it was rendered", story.sent),
        ("Another one that was withheld", story.withheld),
    ):
        console.print(_titled(title, example, story.external_id, zone))
    console.print(f"[bold]Next, if nothing happens:[/] {_next(story.tier)}", highlight=False)


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


def _activity(activity: Sequence[Mapping[str, Any]]) -> Table:
    """A line for each day and kind."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    currency = ""
    for item in activity:
        count, amount = counts.get((item["on"], item["kind"]), (0, 0))
        counts[item["on"], item["kind"]] = (count + item["count"], amount + item["amount_minor"])
        currency = item["currency"] or currency
    table = Table(title="What they did", title_justify="left")
    for column in ("day", "what", "times", "amount"):
        table.add_column(column, justify="left" if column in ("day", "what") else "right")
    for (on, kind), (count, amount) in counts.items():
        paid = kind in ("settled", "refunded")
        table.add_row(on, kind, str(count), f"{amount / 100:,.2f} {currency}" if paid else "")
    return table


def _changes(changes: Sequence[TierChange]) -> Table:
    table = Table(title="Each change of tier, and why", title_justify="left")
    for column in ("effective", "to", "reason", "score", "because"):
        table.add_column(column)
    for change in changes:
        lines = [
            f"{line.line.partition('.')[0]} {line.points} ({line.value})"
            for line in change.explanation
            if not line.line.startswith("next_tier")
        ]
        table.add_row(
            _local(change.effective_at, change.zone),
            f"{change.direction} {change.to_tier}",
            change.reason,
            str(change.score),
            "\n".join(lines),
        )
    return table


def _titled(title: str, example: Example | None, external_id: str, zone: str) -> Panel:
    """The example under a title that names its client when it is not `external_id`."""
    if example is None:
        return Panel("there is none", title=title, title_align="left")
    if example.external_id != external_id:
        title = f"{title}, of {example.external_id}"
    return Panel(_message(example.message, zone), title=title, title_align="left")


def _message(message: Mapping[str, Any], zone: str) -> str:
    cause, preview = message["cause"], message["preview"]
    lines = [
        f"play {message['play']} ({message['purpose']}), because {cause['direction']} to"
        f" {cause['to_tier']} by {cause['reason']} at {_local(cause['effective_at'], zone)}",
        f"state {message['state']}" + (f": {message['reason']}" if message["reason"] else ""),
    ]
    lines += [
        f"attempt {attempt['number']} by {attempt['channel']}: {attempt['outcome']}"
        f" {attempt['code'] or ''}"
        for attempt in message["tries"]
    ]
    if preview["missing"]:
        lines.append(f"no text: {preview['missing']}")
    else:
        lines += ["", f"by {preview['channel']}, template {preview['template']}:"]
        lines += [part for part in (preview["subject"], preview["body"]) if part]
        lines += [f"  {name}: {value}" for name, value in preview["params"].items()]
    return "\n".join(lines)


def _next(tier: Mapping[str, Any]) -> str:
    """The next change, and the line of the rulebook that causes it."""
    coming = tier["next_transition"]
    if coming is None:
        return f"{tier['tier']} for good"
    because = coming["because"]
    return (
        f"{coming['direction']} from {coming['from_tier']} to {coming['to_tier']} at"
        f" {_local(coming['at'], tier['zone'])}, because {because['line']} ({because['input']})"
        " runs out"
    )


def _local(instant: datetime | str, zone: str) -> str:
    """An instant in the practice's zone."""
    aware = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return aware.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
