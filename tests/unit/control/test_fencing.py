"""A fence stands when every session has acknowledged, or a whole W after the commit, whichever replica sets it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from tests.unit.control.memory import ManualClock, Memory, W, settle, unavailable

from control.application.fencing import FenceLoop
from control.application.pausing import Wait, pause
from control.application.ports import Unfenced
from control.application.resuming import Lift, resume
from control.application.sessions import LEASE, Sessions
from control.domain.authority import Caller, Role, Wish
from control.domain.fence import FenceRule
from control.domain.pause import Pause, Scope, State
from control.domain.resumption import Immediate
from kernel.errors import Failure, Kind
from kernel.ids import OrganizationId, SessionId, uuid7

MUTE = SessionId(uuid7())
ANA = Caller(subject="ana", organization_id=OrganizationId("demo"), role=Role.OWNER)


class Replica:
    """One control process: its own fence loop on the shared store."""

    def __init__(self, store: Memory) -> None:
        self.store = store
        self.failures: list[Failure] = []
        self.fences = FenceLoop(
            changes=store,
            pauses=store,
            rule=FenceRule(),
            clock=store.clock,
            committed=lambda: None,
            failed=self.failures.append,
        )
        self.sessions = Sessions(
            store=store,
            rule=FenceRule(),
            clock=store.clock,
            changed=self.fences.acknowledged,
            failed=self.failures.append,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Replica"]:
        """Run the loop; leaving the block is a crash."""
        task = asyncio.create_task(self.fences.run(asyncio.Event()))
        await settle()
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def pause(
        self, request_id: str = "stop-1", *, wait: Wait = Wait.FENCED, reason: str = "wrong"
    ) -> asyncio.Task[Pause]:
        """Ask for a pause of campaign `welcome`."""
        return asyncio.create_task(self._pause(request_id, wait, reason))

    async def _pause(self, request_id: str, wait: Wait, reason: str) -> Pause:
        wish = Wish(
            request_id=request_id,
            scope=Scope.CAMPAIGN,
            target="welcome",
            reason=reason,
            paused_until=None,
            organization_id="",
            source=None,
        )
        seen = await pause(
            wish,
            ANA,
            wait,
            changes=self.store,
            fences=self.fences,
            new_id=uuid7,
            committed=lambda: None,
        )
        return seen.pause

    async def resume(self, target: Pause, request_id: str = "go-1", *, reason: str = "fixed") -> list[Pause]:
        """Lift `target`; return what remains."""
        lift = Lift(
            request_id=request_id,
            control_ids=[target.control_id],
            etag=self.store.seen(target).etag,
            reason=reason,
            plan=Immediate(),
        )
        lifted = await resume(lift, ANA, changes=self.store, pauses=self.store, committed=lambda: None)
        assert [one.pause.state for one in lifted.pauses] == [State.RESUMED]
        return [one.pause for one in lifted.remaining]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(clock: ManualClock) -> Memory:
    """One session is registered, which acknowledges nothing unless a test does it for it."""
    store = Memory(clock)
    await store.register(MUTE, "executor-1", LEASE)
    return store


@pytest.fixture
async def replica(store: Memory) -> AsyncIterator[Replica]:
    async with Replica(store).running() as running:
        yield running


def states(store: Memory) -> list[State]:
    return [event.state for event in store.events]


async def test_the_fence_stands_only_after_w_from_the_commit(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    asked = replica.pause()

    await clock.advance(W - 0.001)
    assert not asked.done()
    assert states(store) == [State.PAUSING]
    await clock.advance(0.002)

    assert (await asked).state is State.FENCED
    assert states(store) == [State.PAUSING, State.FENCED]


async def test_the_fence_stands_as_soon_as_every_session_has_acknowledged(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    other = SessionId(uuid7())
    await replica.sessions.register(other, "executor-2")
    asked = replica.pause()
    await clock.advance(0.02)

    await replica.sessions.acknowledge(other, [asked_pause(store).control_id])
    await clock.advance(0.02)
    assert not asked.done()
    await replica.sessions.acknowledge(MUTE, [asked_pause(store).control_id])
    await settle()

    assert asked.done()
    assert asked.result().state is State.FENCED
    assert states(store) == [State.PAUSING, State.FENCED]


async def test_an_acknowledgement_of_one_pause_is_none_of_another(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    one, other = replica.pause("stop-1"), replica.pause("stop-2")
    await clock.advance(0.02)
    await replica.sessions.acknowledge(MUTE, [asked_pause(store).control_id])
    await clock.advance(W - 0.05)

    assert [one.done(), other.done()] == [True, False]


async def test_without_any_session_the_fence_stands_at_once(store: Memory, replica: Replica) -> None:
    await replica.sessions.end(MUTE)
    asked = replica.pause()
    await settle()

    assert asked.done()
    assert asked.result().state is State.FENCED


async def test_a_session_that_ended_but_is_not_forgotten_is_waited_for(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    """Its last permits may still be used, although it can get no other and will say nothing."""
    await clock.advance(LEASE.total_seconds() + 0.01, step=0.5)
    await store.mark_lapsed()
    asked = replica.pause()
    await clock.advance(W - 0.001)
    assert not asked.done()
    await clock.advance(0.002)

    assert asked.done()
    assert asked.result().state is State.FENCED


async def test_a_session_registered_after_the_pause_is_not_waited_for(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    asked = replica.pause()
    await clock.advance(0.02)
    await replica.sessions.register(SessionId(uuid7()), "executor-2")
    await replica.sessions.acknowledge(MUTE, [asked_pause(store).control_id])
    await settle()

    assert asked.done()
    assert asked.result().state is State.FENCED


async def test_what_another_replica_was_told_is_fenced_by_the_one_whose_caller_waits(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    async with Replica(store).running() as second:
        asked = replica.pause()
        await clock.advance(0.02)
        await second.sessions.acknowledge(MUTE, [asked_pause(store).control_id])
        await settle()
        assert not asked.done()
        await clock.advance(0.07)

        assert asked.done()
        assert asked.result().state is State.FENCED


async def test_another_replica_fences_what_is_acknowledged_where_nobody_waits(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    async with Replica(store).running() as second:
        committed = replica.pause(wait=Wait.COMMITTED)
        await settle()
        assert committed.done()
        await second.sessions.acknowledge(MUTE, [asked_pause(store).control_id])
        await clock.advance(0.2)

        assert states(store) == [State.PAUSING, State.FENCED]


async def test_an_acknowledged_pause_that_cannot_be_fenced_is_not_tried_without_rest(
    clock: ManualClock, store: Memory, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replica.pause()
    await clock.advance(0.02)
    written = Memory.change
    monkeypatch.setattr(Memory, "change", _refused)
    await replica.sessions.acknowledge(MUTE, [asked_pause(store).control_id])
    await clock.advance(1.0)
    assert 10 <= len(replica.failures) <= 25
    monkeypatch.setattr(Memory, "change", written)
    await clock.advance(0.06)

    assert asked.done()
    assert asked.result().state is State.FENCED


@asynccontextmanager
async def _refused(self: Memory, organization_id: OrganizationId) -> AsyncIterator[object]:
    raise unavailable()
    yield


async def test_w_counts_from_the_acknowledged_commit_and_not_from_the_request(
    clock: ManualClock, store: Memory, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged, written = asyncio.Event(), Memory.change

    @asynccontextmanager
    async def slow_commit(self: Memory, organization_id: OrganizationId) -> AsyncIterator[object]:
        async with written(self, organization_id) as change:
            yield change
        await acknowledged.wait()

    monkeypatch.setattr(Memory, "change", slow_commit)
    monkeypatch.setattr(Memory, "unfenced", _sees_nothing)
    asked = replica.pause()
    await clock.advance(3.0)
    acknowledged.set()
    await clock.advance(W - 0.001)
    assert states(store) == [State.PAUSING]
    await clock.advance(0.002)

    assert (await asked).state is State.FENCED


async def _sees_nothing(self: Memory) -> list[Unfenced]:
    return []


async def test_after_a_crash_another_replica_waits_a_whole_w_anew(clock: ManualClock, store: Memory) -> None:
    async with Replica(store).running() as first:
        asked = first.pause()
        await clock.advance(W - 0.05)
    asked.cancel()
    assert states(store) == [State.PAUSING]

    async with Replica(store).running() as second:
        await clock.advance(W - 0.001)
        assert states(store) == [State.PAUSING]
        await clock.advance(0.002)
        assert states(store) == [State.PAUSING, State.FENCED]
        assert (await second.pause()).state is State.FENCED


async def test_a_replica_finds_without_any_hint_what_another_left_behind(clock: ManualClock, store: Memory) -> None:
    async with Replica(store).running(), AsyncExitStack() as dying:
        first = await dying.enter_async_context(Replica(store).running())
        await clock.advance(0.1)
        await first.pause(wait=Wait.COMMITTED)
        await dying.aclose()

        await clock.advance(W + 0.1)

        assert states(store) == [State.PAUSING, State.FENCED]


async def test_a_retry_is_the_same_pause_and_waits_for_the_same_fence(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    first = replica.pause()
    await clock.advance(W / 2)
    retried = replica.pause()
    await clock.advance(W / 2 - 0.01)
    assert not first.done()
    assert not retried.done()
    await clock.advance(0.02)

    assert await first == await retried
    assert states(store) == [State.PAUSING, State.FENCED]


async def test_a_retry_at_another_replica_waits_for_the_fence_that_the_first_one_sets(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    replica.pause()
    await clock.advance(W / 2)
    async with Replica(store).running() as second:
        retried = second.pause()
        await clock.advance(W / 2 - 0.01)
        assert not retried.done()
        await clock.advance(0.3)

        assert (await retried).state is State.FENCED
        assert states(store) == [State.PAUSING, State.FENCED]


async def test_the_same_request_id_with_other_content_is_refused(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    await replica.pause(wait=Wait.COMMITTED)

    with pytest.raises(Failure) as refused:
        await replica.pause(reason="another reason")
    assert (refused.value.kind, refused.value.reason) == (Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_pause_whose_caller_left_stands_and_is_fenced(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    asked = replica.pause()
    await clock.advance(0.1)
    asked.cancel()

    await clock.advance(W)

    assert states(store) == [State.PAUSING, State.FENCED]


async def test_committed_answers_at_once_and_says_pausing(clock: ManualClock, store: Memory, replica: Replica) -> None:
    assert (await replica.pause(wait=Wait.COMMITTED)).state is State.PAUSING

    await clock.advance(W + 0.01)

    assert (await replica.pause(wait=Wait.COMMITTED)).state is State.FENCED


async def test_a_pause_resumed_before_its_fence_is_never_fenced_and_its_caller_is_told(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    asked = replica.pause()
    await clock.advance(0.1)
    await replica.resume(asked_pause(store))
    await clock.advance(W)

    with pytest.raises(Failure, match="resumed") as refused:
        await asked
    assert (refused.value.kind, refused.value.reason) == (Kind.ABORTED, "WRONG_STATE")
    assert states(store) == [State.PAUSING, State.RESUMED]
    with pytest.raises(Failure, match="resumed"):
        await replica.pause()


def asked_pause(store: Memory) -> Pause:
    return next(iter(store.pauses.values()))


async def test_the_fence_comes_late_but_comes_when_the_database_was_away(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    asked = replica.pause()
    await clock.advance(0.1)
    store.down = True
    await clock.advance(W)
    assert replica.failures
    store.down = False
    await clock.advance(0.1)

    assert (await asked).state is State.FENCED
    assert states(store) == [State.PAUSING, State.FENCED]


async def test_a_connection_that_is_half_gone_holds_up_no_fence(
    clock: ManualClock, store: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.application.fencing._DATABASE_SECONDS", 0.05)
    hung = asyncio.Event()
    begin = Memory.change

    @asynccontextmanager
    async def hangs_once(self: Memory, organization_id: OrganizationId) -> AsyncIterator[object]:
        async with begin(self, organization_id) as change:
            if states(store) and not hung.is_set():
                hung.set()
                await asyncio.Event().wait()
            yield change

    monkeypatch.setattr(Memory, "change", hangs_once)
    async with Replica(store).running() as replica:
        asked = replica.pause()
        await clock.advance(W + 0.001)
        await asyncio.wait_for(hung.wait(), 5)
        while not replica.failures:  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0.01)
        await clock.advance(0.1)

        assert asked.done()
        assert (await asked).state is State.FENCED


async def test_the_longest_permit_of_the_database_decides_how_long_the_fence_takes(
    clock: ManualClock, store: Memory, replica: Replica
) -> None:
    store.ttl_max = store.ttl_max * 4
    asked = replica.pause()

    await clock.advance(4 * (W - 0.05) + 0.049)
    assert not asked.done()
    await clock.advance(0.002)

    assert (await asked).state is State.FENCED


@pytest.mark.parametrize(
    ("request_id", "reason", "kind", "word"),
    [
        ("go-1", "other words", Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
        ("go-2", "fixed", Kind.FAILED_PRECONDITION, "WRONG_STATE"),
    ],
)
async def test_a_resume_is_repeatable_and_nothing_else_is(
    replica: Replica, request_id: str, reason: str, kind: Kind, word: str
) -> None:
    made = await replica.pause(wait=Wait.COMMITTED)
    await replica.resume(made)
    await replica.resume(made)

    with pytest.raises(Failure) as refused:
        await replica.resume(made, request_id, reason=reason)
    assert (refused.value.kind, refused.value.reason) == (kind, word)


async def test_resuming_one_pause_leaves_those_that_overlap_and_names_them(store: Memory, replica: Replica) -> None:
    one = await replica.pause("stop-1", wait=Wait.COMMITTED)
    other = await replica.pause("stop-2", wait=Wait.COMMITTED)

    assert await replica.resume(one) == [other]
    assert store.pauses[other.control_id].state is State.PAUSING
