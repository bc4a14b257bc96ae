"""The length of a run: at most five minutes, a quick one at most one minute."""

from msgspec import Struct


class Plan(Struct, frozen=True):
    """The rounds, counts, and seconds of each figure."""

    products: int
    rounds: int
    read_seconds: int
    checkout_seconds: int
    calls: int
    """Calls of each kind in a round."""
    events: int
    pipeline_events: int
    pipeline_seconds: int
    backlog: int
    deliveries: int
    rebuilt_events: int
    starts: int


WHOLE = Plan(
    10_000,
    rounds=4,
    read_seconds=3,
    checkout_seconds=4,
    calls=600,
    events=400,
    pipeline_events=20_000,
    pipeline_seconds=11,
    backlog=100_000,
    deliveries=10_000,
    rebuilt_events=50_000,
    starts=3,
)
QUICK = Plan(
    2_000,
    rounds=3,
    read_seconds=1,
    checkout_seconds=1,
    calls=100,
    events=60,
    pipeline_events=3_000,
    pipeline_seconds=3,
    backlog=10_000,
    deliveries=1_000,
    rebuilt_events=10_000,
    starts=1,
)
