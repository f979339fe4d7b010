"""When outcomes are stored: a lone one at once, few of many in company."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from tests.unit.executor.test_settling import TIMING, job

from executor.application.outcomes import Outcomes
from executor.domain.change import Change
from executor.domain.outcome import Sent
from executor.domain.settling import RetryPolicy, settle

CHANGE = settle(job(), Sent(provider_message_id="w"), timing=TIMING, policy=RetryPolicy(), chance=0.5)


class Storing:
    """A transaction that keeps how many changes each batch has."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    async def apply(self, asked: Sequence[Change], *, closing: Sequence[UUID] = ()) -> Sequence[Change]:
        self.batches.append(len(asked))
        return ()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["Storing"]:
        yield self


@pytest.mark.parametrize(
    ("under_way", "batches"), [(1, [1]), (8, [1]), (20, [2])], ids=["alone", "among some", "among many"]
)
async def test_few_answers_wait_for_company_while_many_sends_are_under_way(
    under_way: int, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    storing = Storing()
    outcomes = Outcomes(begin=storing.begin, capacity=100)  # type: ignore[arg-type]

    async def another_answers(seconds: float) -> None:
        assert seconds <= 0.01
        outcomes.add(CHANGE)

    monkeypatch.setattr(asyncio, "sleep", another_answers)
    outcomes.opened(UUID(int=1), under_way)
    outcomes.add(CHANGE)
    outcomes.close()
    await outcomes.run(asyncio.Event())
    assert storing.batches == batches
