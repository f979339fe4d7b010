"""Processes of one service count as one, and each size is compared with its own axis's first."""

from tests.bench.growth_report import Point, table


def point(axis: str, size: int, *turns: tuple[float, dict[str, float]]) -> Point:
    made = Point(axis=axis, size=size)
    for rate, parts in turns:
        made.add(rate, parts)
    return made


def test_processes_of_one_service_are_one_part() -> None:
    used = point("executors", 2, (1.0, {"gate": 5, "executor": 10, "executor-2": 20})).microseconds
    assert used == {"in all": 35, "gate": 5, "executor": 30}


def test_a_point_is_the_median_of_its_turns() -> None:
    found = point("instances", 1, (100, {"gate": 1}), (300, {"gate": 9}), (200, {"gate": 2}))
    assert (found.rate, found.microseconds["gate"]) == (200, 2)


def test_a_size_is_compared_with_the_first_of_its_axis() -> None:
    points = [
        point("instances", 1, (100, {"gate": 10})),
        point("instances", 100, (50, {"gate": 25})),
        point("jobs", 0, (100, {"gate": 40})),
        point("jobs", 9, (100, {"gate": 20})),
    ]
    shown = table(points, "")
    assert list(shown.columns[0].cells) == ["instances: 1", "instances: 100", "jobs: 0", "jobs: 9"]
    assert list(shown.columns[3].cells) == ["1.00", "2.50", "1.00", "0.50"]
