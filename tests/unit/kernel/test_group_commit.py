"""Group commit: an idle writer begins at once, what arrives meanwhile is the next batch, a bad part harms nobody.

And no owner of parts waits behind another's queue.
"""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Failure, Kind
from kernel.group_commit import GroupCommit


class Writer:
    """Remembers its batches and waits for `go` in each."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()

    async def write(self, parts: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(parts))
        await self.go.wait()
        if 13 in parts:
            raise RuntimeError("bad part")
        if 99 in parts:
            raise Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "away")
        return [part * 2 for part in parts]


def group(writer: Writer, most: int = 10, queue_limit: int = 100) -> GroupCommit[int, int]:
    return GroupCommit(write=writer.write, size=lambda part: 1, most=most, queue_limit=queue_limit)


def by_owner(writer: Writer, most: int) -> GroupCommit[int, int]:
    """Parts from 100 on are of another owner than those below."""
    return GroupCommit(
        write=writer.write, size=lambda part: 1, most=most, queue_limit=100, owner=lambda part: part // 100
    )


async def turn() -> None:
    """Let what has begun come to its first wait."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_arrives_meanwhile_is_the_next_batch() -> None:
    writer = Writer()
    commit = group(writer, most=3)
    tasks = [asyncio.create_task(commit.submit(1))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(commit.submit(part)) for part in (2, 3, 4, 5)]
    await asyncio.sleep(0)
    writer.go.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert writer.batches == [[1], [2, 3, 4], [5]]


async def test_a_part_that_breaks_its_batch_is_answered_alone() -> None:
    writer = Writer()
    writer.go.set()
    commit = group(writer)
    results = await asyncio.gather(*(commit.submit(part) for part in (1, 13, 2)), return_exceptions=True)
    assert (results[0], results[2]) == (2, 4)
    assert isinstance(results[1], RuntimeError)


async def test_a_failure_is_everybodys_and_the_next_batch_goes_on() -> None:
    writer = Writer()
    writer.go.set()
    commit = group(writer)
    results = await asyncio.gather(*(commit.submit(part) for part in (1, 99)), return_exceptions=True)
    assert all(isinstance(result, Failure) for result in results)
    assert await commit.submit(3) == 6


async def test_more_than_may_wait_is_refused_with_when_to_try_again() -> None:
    writer = Writer()
    commit = group(writer, most=1, queue_limit=2)
    tasks = [asyncio.create_task(commit.submit(part)) for part in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    more = asyncio.create_task(commit.submit(7))
    with pytest.raises(Failure) as raised:
        await asyncio.gather(commit.submit(8), commit.submit(9))
    assert (raised.value.reason, raised.value.retry_after is not None) == ("QUEUE_FULL", True)
    writer.go.set()
    await asyncio.gather(*tasks, more, return_exceptions=True)


async def test_an_owner_does_not_wait_for_anothers_batch() -> None:
    writer = Writer()
    commit = by_owner(writer, most=2)
    tasks = [asyncio.create_task(commit.submit(part)) for part in (1, 2, 3)]
    await turn()
    tasks += [asyncio.create_task(commit.submit(part)) for part in (101, 4)]
    await turn()
    assert writer.batches == [[1, 2], [101]], "the first owner's third waits for its own batch only"
    writer.go.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 202, 8]
    assert writer.batches == [[1, 2], [101], [3, 4]]


async def test_a_batch_takes_from_each_owner_in_turn() -> None:
    writer = Writer()
    commit = by_owner(writer, most=3)
    tasks = [asyncio.create_task(commit.submit(part)) for part in (1, 2, 3, 4, 101, 201, 202)]
    await turn()
    assert writer.batches == [[1, 101, 201]]
    writer.go.set()
    await asyncio.gather(*tasks)
    assert writer.batches == [[1, 101, 201], [2, 202, 3], [4]]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=40), st.integers(1, 6))
def test_each_part_is_written_once_in_its_owners_order_and_in_one_batch_at_a_time(
    arrivals: list[tuple[int, int]], most: int
) -> None:
    """Arrivals are parts of an owner, each after so many turns of the loop."""
    asyncio.run(_write_in_any_rhythm(arrivals, most))


async def _write_in_any_rhythm(arrivals: list[tuple[int, int]], most: int) -> None:
    under_way: set[int] = set()
    written: list[tuple[int, int]] = []

    async def write(parts: Sequence[tuple[int, int]]) -> Sequence[int]:
        owners = {owner for owner, _ in parts}
        assert len(parts) <= most
        assert not owners & under_way
        under_way.update(owners)
        written.extend(parts)
        for _ in parts:
            await asyncio.sleep(0)
        under_way.difference_update(owners)
        return [number for _, number in parts]

    commit = GroupCommit[tuple[int, int], int](
        write=write, size=lambda part: 1, most=most, queue_limit=1_000, owner=lambda part: part[0]
    )
    tasks = []
    for number, (owner, turns) in enumerate(arrivals):
        tasks.append(asyncio.create_task(commit.submit((owner, number))))
        for _ in range(turns):
            await asyncio.sleep(0)
    assert await asyncio.gather(*tasks) == list(range(len(arrivals)))
    for owner in range(5):
        mine = [number for one, number in written if one == owner]
        assert mine == sorted(mine)
