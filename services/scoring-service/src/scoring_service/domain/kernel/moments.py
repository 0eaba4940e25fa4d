"""Moments: a practice-local day begins, and then its facts are counted.

Each day has two: at its midnight the facts up to the day before count, and after it those of the
day itself. Day d, a proleptic ordinal, has the moments 2d and 2d + 1, so that a change by time and
a change by a fact that was known beforehand stay two changes, in order.
"""


def midnight_of(day: int) -> int:
    """The moment at which the day begins, without its own facts."""
    return 2 * day


def end_of(day: int) -> int:
    """The moment at which the day's own facts count, too."""
    return 2 * day + 1


def day_of(moment: int) -> int:
    """The day of a moment."""
    return moment >> 1


def counted_to(moment: int) -> int:
    """The last day whose facts count at that moment."""
    return (moment - 1) >> 1
