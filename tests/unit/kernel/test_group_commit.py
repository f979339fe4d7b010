"""Group commit: an idle writer begins at once, what arrives meanwhile is the next batch, a bad part harms nobody."""

import asyncio
from collections.abc import Sequence

import pytest

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
