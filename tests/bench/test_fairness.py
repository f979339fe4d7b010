"""A turn compares the p95 beside the other organization with its own idle one, and the table counts those within it."""

from tests.bench.fairness import Turn, table


def turn(alone: float, beside: float) -> Turn:
    """Return a turn in which the slowest six of a hundred messages took so long."""
    return Turn(
        alone=[1.0] * 94 + [alone] * 6,
        beside=[1.0] * 94 + [beside] * 6,
        beside_approved=[1.0] * 94 + [beside / 2] * 6,
        busy_a_second=1_000,
    )


def test_a_turn_compares_p95s() -> None:
    assert turn(10.0, 25.0).times() == 2.5


def test_the_table_counts_the_turns_that_kept_within_twice() -> None:
    shown = table({"answers at once": [turn(10.0, 20.0), turn(10.0, 21.0), turn(10.0, 40.0)]})
    row = [next(iter(column.cells)) for column in shown.columns]
    assert row == ["answers at once", "10.0", "21.0", "10.5", "2.10 [2.00-4.00]", "1 of 3", "1,000"]
