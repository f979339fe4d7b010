"""How much is measured. Knows no contestant."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """Sizes of one run. `slow_*` are for a contestant that would need minutes for the others' load."""

    warm_up: int
    bulk: int
    slow_bulk: int
    batch: int
    batches_in_flight: int
    single: int
    slow_single: int
    singles_in_flight: int
    steady_rate: int
    steady_seconds: int
    delayed: int
    check_scopes: int
    checks_in_flight: int
    check_seconds: int
    waiting_intents: int
    waiting_jobs: int
    waiting_seconds: int


FULL = Loads(
    warm_up=1_000,
    bulk=20_000,
    slow_bulk=3_000,
    batch=500,
    batches_in_flight=4,
    single=4_000,
    slow_single=1_500,
    singles_in_flight=50,
    steady_rate=50,
    steady_seconds=12,
    delayed=20_000,
    check_scopes=200,
    checks_in_flight=4,
    check_seconds=4,
    waiting_intents=1_000_000,
    waiting_jobs=100_000,
    waiting_seconds=30,
)

QUICK = Loads(
    warm_up=500,
    bulk=5_000,
    slow_bulk=1_000,
    batch=500,
    batches_in_flight=4,
    single=1_000,
    slow_single=500,
    singles_in_flight=50,
    steady_rate=50,
    steady_seconds=4,
    delayed=3_000,
    check_scopes=200,
    checks_in_flight=4,
    check_seconds=2,
    waiting_intents=50_000,
    waiting_jobs=5_000,
    waiting_seconds=10,
)
