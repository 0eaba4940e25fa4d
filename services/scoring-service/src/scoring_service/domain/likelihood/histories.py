"""What the models read of a client: the days with a completed hour, and what was paid in all."""

from typing import NamedTuple

from scoring_service.domain.kernel.facts import Facts


class History(NamedTuple):
    """The days with an hour of a client who came: `first` and `last` as proleptic ordinals, how
    many of them come after the first, and how many days lie between the first and now."""

    first: int
    last: int
    repeats: int
    age: int

    @property
    def days(self) -> int:
        """On how many days the client came."""
        return self.repeats + 1


class Record(NamedTuple):
    """A client as the models read them: the history (None: never came), and the net paid in all, in
    minor units."""

    history: History | None
    net_minor: int


def record_of(facts: Facts, as_of: int) -> Record:
    """What is known of a client at the end of a practice-local day, an ordinal.

    Several hours of one day are one visit. Money counts whatever it was for, since what is paid
    ahead is used on other days.
    """
    completed, net = facts.series("completed"), facts.series("net")
    came = [day for day, hours in zip(completed.days, completed.nets, strict=True) if hours > 0]
    paid = sum(amount for day, amount in zip(net.days, net.nets, strict=True) if day <= as_of)
    return Record(history_of([day for day in came if day <= as_of], as_of), paid)


def history_of(days: list[int], as_of: int) -> History | None:
    """The history of somebody who came on these days, each once and none after `as_of`."""
    if not days:
        return None
    first, last = min(days), max(days)
    return History(first, last, len(days) - 1, as_of - first)
