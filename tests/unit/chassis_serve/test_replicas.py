"""One service at several addresses: calls turn to the next one when one fails or is silent."""

import asyncio

import pytest

from chassis.replicas import Replicas
from kernel.errors import Failure, Kind

AWAY = Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "away")
FULL = Failure(Kind.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED", "too many calls are open")
LATE = Failure(Kind.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "late")


class Town:
    """Replicas by name: some away, some silent, some with no room."""

    def __init__(self, *, away: str = "", silent: str = "", full: str = "") -> None:
        self.away, self.silent, self.full = away, silent, full
        self.asked: list[str] = []

    async def ask(self, name: str, seconds: float) -> str:
        assert seconds > 0
        self.asked.append(name)
        if name in self.away:
            raise AWAY
        if name in self.full:
            raise FULL
        if name in self.silent:
            await asyncio.sleep(seconds)
            raise LATE
        return name


async def test_one_that_is_away_is_left_within_the_call_and_stays_left() -> None:
    town, replicas = Town(away="a"), Replicas("abc")
    assert await replicas.call(town.ask, timeout=1.0) == "b"
    assert await replicas.call(town.ask, timeout=1.0) == "b"
    assert town.asked == ["a", "b", "b"]


async def test_one_that_has_no_room_is_left_for_one_that_has() -> None:
    town, replicas = Town(full="a"), Replicas("ab")
    assert await replicas.call(town.ask, timeout=1.0) == "b"
    assert await replicas.call(town.ask, timeout=1.0) == "b"
    assert town.asked == ["a", "b", "b"]


async def test_one_that_is_silent_costs_one_timeout_and_the_next_call_goes_elsewhere() -> None:
    town, replicas = Town(silent="a"), Replicas("ab")
    with pytest.raises(Failure, match="DEADLINE_EXCEEDED"):
        await replicas.call(town.ask, timeout=0.05)
    assert await replicas.call(town.ask, timeout=0.05) == "b"


async def test_calls_that_fail_together_turn_once() -> None:
    town, replicas = Town(silent="a"), Replicas("abc")
    await asyncio.gather(*(replicas.call(town.ask, timeout=0.05) for _ in range(3)), return_exceptions=True)
    town.asked.clear()
    assert await replicas.call(town.ask, timeout=0.05) == "b"


async def test_each_is_asked_once_and_the_last_failure_is_told() -> None:
    town, replicas = Town(away="abc"), Replicas("abc")
    with pytest.raises(Failure, match="UNAVAILABLE"):
        await replicas.call(town.ask, timeout=1.0)
    assert town.asked == ["a", "b", "c"]


async def test_a_refusal_is_an_answer() -> None:
    replicas = Replicas("ab")

    async def refuse(name: str, seconds: float) -> None:
        raise Failure(Kind.FAILED_PRECONDITION, "SESSION_ENDED", name)

    for _ in range(2):
        with pytest.raises(Failure, match="SESSION_ENDED: a"):
            await replicas.call(refuse, timeout=1.0)


def test_the_next_is_another_each_time() -> None:
    replicas = Replicas("ab")
    assert [replicas.next() for _ in range(4)] == ["b", "a", "b", "a"]
