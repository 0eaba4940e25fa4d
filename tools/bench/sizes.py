"""How much a bench does: in full, quickly, or as one part of the proof."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Counts of events, seconds of closed or paced load, repetitions.

    `flood_seconds` is a flood's size, in seconds of a door's capacity. With `first_in_first_out`
    the flood and the quiet practices of that bench are one practice, so that nothing is shared out.
    """

    repetitions: int = 3
    events: int = 500_000
    baseline_events: int = 20_000
    publishing_events: int = 4_000
    source_events: int = 200_000
    backlog_events: int = 100_000
    api_seconds: float = 5.0
    latency_seconds: float = 15.0
    demo_days: int | None = None
    waiting_clients: int = 2_500_000
    capacity_seconds: float = 5.0
    quiet_seconds: float = 10.0
    flooded_seconds: float = 20.0
    flood_seconds: float = 60.0
    rebuilt_clients: int = 100_000
    imported_rows: int = 2_000_000
    first_in_first_out: bool = False
    profile: bool = False


QUICK = Sizes(
    repetitions=1,
    events=60_000,
    baseline_events=2_000,
    publishing_events=500,
    source_events=30_000,
    backlog_events=20_000,
    api_seconds=2.0,
    latency_seconds=5.0,
    demo_days=30,
    waiting_clients=100_000,
    capacity_seconds=1.0,
    quiet_seconds=3.0,
    flooded_seconds=5.0,
    flood_seconds=20.0,
    rebuilt_clients=2_000,
    imported_rows=60_000,
)
