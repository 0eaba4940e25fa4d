"""Each client's history from the source events alone, in the order of their arrival.

After each source event it works out anew what all events of the client so far come to, and looks
at the client once. It knows no activities, no deltas and no batches.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from tests.support.oracles.ledger import Net, net_facts
from tests.support.oracles.tiers import OracleChange, OracleClient, OracleFact, Rules

Document = Mapping[str, Any]
_GRADED = ("completed", "settled", "refunded")


class Arrivals:
    """The clients of one practice, as they stand after each source event and each step of time."""

    def __init__(self, rules: Rules, zone: str) -> None:
        self.rules, self.zone = rules, zone
        self.now: datetime | None = None
        self.documents: dict[str, list[Document]] = defaultdict(list)
        self.clients: dict[str, OracleClient] = {}

    def step(self, now: datetime, documents: Sequence[Document]) -> None:
        """Time comes to `now`; then these events arrive, in this order."""
        self.now = now
        for client in self.clients.values():
            client.watermark(now)
        for document in documents:
            self._arrive(document)

    def history(self, client: str) -> Sequence[OracleChange]:
        """The changes of a client, none for one who is not known."""
        return self.clients[client].changes if client in self.clients else ()

    def _arrive(self, document: Document) -> None:
        assert self.now is not None
        name = document["subject"]
        known = self.documents[name]
        if any(each["id"] == document["id"] for each in known):
            return
        client = self.clients.get(name)
        if client is None:
            client = self.clients[name] = OracleClient(self.rules, self.zone)
            client.watermark(self.now)
        before = self._graded(known, document)
        known.append(document)
        after = self._graded(known, document)
        client.facts = [
            OracleFact(kind, on, count, amount)
            for (kind, on), (count, amount) in self._net(known).items()
        ]
        told = OracleFact(
            kind="",
            on=date.min,
            occurred_at=datetime.fromisoformat(document["time"]),
            accepted_at=self.now,
            backfill=document.get("backfill", False),
        )
        client.see(told, "correction" if before and before != after else "activity")

    def _graded(self, known: Sequence[Document], like: Document) -> Net:
        """What the booking or payment of that event counts for, of what a tier rests on."""
        about = _object_of(like)
        net = self._net([each for each in known if _object_of(each) == about])
        return {key: sums for key, sums in net.items() if key[0] in _GRADED}

    def _net(self, documents: Sequence[Document]) -> Net:
        nets = net_facts(documents, {each["practiceid"]: self.zone for each in documents})
        total: Net = {}
        for net in nets.values():
            for key, (count, amount) in net.items():
                counted, money = total.get(key, (0, 0))
                total[key] = (counted + count, money + amount)
        return total


def _object_of(document: Document) -> tuple[str, str]:
    noun = document["type"].split(".")[1]
    return noun, document["data"][f"{noun}_id"]
