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
class Story:
    """What is printed; the messages are None where outreach has none to show."""

    external_id: str
    activity: Sequence[Mapping[str, Any]]
    changes: Sequence[TierChange]
    tier: Mapping[str, Any]
    sent: Mapping[str, Any] | None
    withheld: Mapping[str, Any] | None

    @property
    def client_id(self) -> str:
        """Rapport's id of the client."""
        return str(self.tier["client_id"])


def find_story(
    access: Access, client_ids: Mapping[str, str], changes: Mapping[str, Sequence[TierChange]]
) -> Story:
    """The story of the client with the most to show: a sent message, a withheld one, and changes
    with several reasons."""
    messages = _messages(access)
    external_id = min(
        client_ids,
        key=lambda name: (
            _plainness(changes.get(client_ids[name], ()), messages.get(client_ids[name], ())),
            name,
        ),
    )
    client_id = client_ids[external_id]
    own = messages.get(client_id, [])
    outreach = access.practice.get("outreach")
    activity = access.practice["ingestion"].items(f"/v1/clients/{client_id}/activity")
    return Story(
        external_id=external_id,
        activity=list(activity),
        changes=changes.get(client_id, ()),
        tier=access.practice["scoring"].get(f"/v1/clients/{client_id}/tier"),
        sent=_whole(outreach, own, _SENT),
        withheld=_whole(outreach, own, _WITHHELD),
    )


def print_story(console: Console, story: Story) -> None:
    """Print it; all times are local at the practice."""
    zone = story.tier["zone"]
    console.rule(f"The story of {story.external_id}")
    console.print(_activity(story.activity))
    console.print(_changes(story.changes))
    if story.sent is not None:
        console.print(_message("A message as it was rendered", story.sent, zone))
    if story.withheld is not None:
        console.print(_message("Another one that was withheld", story.withheld, zone))
    console.print(f"[bold]Next, if nothing happens:[/] {_next(story.tier)}", highlight=False)


def _messages(access: Access) -> dict[str, list[Mapping[str, Any]]]:
    """All messages by client id, in the order of their due times."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    if "outreach" in access.practice:
        for message in access.practice["outreach"].items("/v1/messages"):
            found[message["client_id"]].append(message)
    for own in found.values():
        own.sort(key=lambda message: (message["due_at"], message["message_id"]))
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


def _whole(
    outreach: ApiClient | None, messages: Sequence[Mapping[str, Any]], states: frozenset[str]
) -> Mapping[str, Any] | None:
    """The last message in one of the states, with its text and attempts."""
    wanted = [message for message in messages if message["state"] in states]
    if outreach is None or not wanted:
        return None
    whole: Mapping[str, Any] = outreach.get(f"/v1/messages/{wanted[-1]['message_id']}")
    return whole


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


def _message(title: str, message: Mapping[str, Any], zone: str) -> Panel:
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
    return Panel("\n".join(lines), title=title, title_align="left")


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
