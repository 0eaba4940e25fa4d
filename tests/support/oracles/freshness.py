"""When a source is silent, worked out by asking each day in turn."""

from collections.abc import Mapping
from datetime import date, timedelta

ONE_DAY = timedelta(days=1)


def is_silent(events_by_day: Mapping[date, int], today: date) -> bool:
    """Whether at the beginning of `today` a source has said nothing for longer than the longer of
    three days and twice its longest gap; with fewer than thirty events in 365 days, or on fewer
    than three of them, it is not."""
    spoken = {day for day in events_by_day if today - 365 * ONE_DAY <= day <= today}
    if sum(events_by_day[day] for day in spoken) < 30 or len(spoken) < 3:
        return False
    quiet, longest = 0, 0
    day = min(spoken)
    while day < today:
        day += ONE_DAY
        quiet += 1
        if day in spoken:
            longest = max(longest, quiet)
            quiet = 0
    return quiet > max(3, 2 * longest)
