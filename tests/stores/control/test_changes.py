"""Changes of pauses on PostgreSQL: one at a time, each with its version and its one event."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import pytest
from asyncpg import IntegrityConstraintViolationError
from tests.postgres import Databases
from tests.stores.control.conftest import Store, eventually, store_on
from tests.unit.control.memory import START

from control.application.expiry import expire_pauses
from control.application.fencing import FenceLoop
from control.application.pausing import Wait, pause
from control.application.resuming import Lift, resume
from control.application.waiting import Hints
from control.domain.authority import Caller, Role, Wish
from control.domain.fence import FenceRule
from control.domain.pause import PLATFORM, Pause, Scope
from control.domain.resumption import Immediate, Ramp
from kernel.clock import SystemClock
from kernel.errors import Failure
from kernel.ids import OrganizationId, uuid7
from whatlead.audit.v1 import event_pb2

ANA = Caller(subject="ana", organization_id=OrganizationId("demo"), role=Role.OWNER)


async def test_a_change_keeps_all_that_the_record_says(store: Store) -> None:
    begun = await store.pause(paused_until=START + timedelta(days=400))
    async with store.changes.change(OrganizationId("demo")) as change:
        fenced = begun.fence(version=change.next_version, at=change.now)
        await change.write(fenced)
    async with store.changes.change(OrganizationId("demo")) as change:
        lifted = fenced.resume(
            version=change.next_version, at=change.now, by="eva", reason="fixed", request_id="go-1", plan=Ramp()
        )
        await change.write(lifted)

    assert await store.pauses.find(begun.control_id, {OrganizationId("demo")}) == lifted
    assert [begun.version, fenced.version, lifted.version] == [1, 2, 3]
    assert (await store.snapshots.take({"demo"})).versions == {"demo": 3, "": 0}


async def test_each_change_leaves_its_event_in_the_same_commit(store: Store) -> None:
    begun = await store.pause(scope=Scope.INSTANCE, target="sp-1")
    async with store.changes.change(OrganizationId("demo")) as change:
        await change.write(begun.fence(version=change.next_version, at=change.now))
    with pytest.raises(RuntimeError, match="rolled back"):
        await _lift_and_fail(store, begun)

    paused, fenced = await store.events()
    assert paused.type == event_pb2.EVENT_TYPE_EXECUTION_PAUSED
    assert fenced.type == event_pb2.EVENT_TYPE_EXECUTION_FENCED
    assert (paused.actor, fenced.actor) == ("ana", "system")
    for event in (paused, fenced):
        assert (event.organization_id, event.producer, event.instance_id, event.campaign_id) == (
            "demo",
            "control",
            "sp-1",
            "",
        )
        assert (event.aggregate_type, event.aggregate_id) == (
            event_pb2.AGGREGATE_TYPE_CONTROL,
            str(begun.control_id),
        )
        assert (event.pause.scope, event.pause.target, event.pause.note, event.pause.source) == (
            "INSTANCE",
            "sp-1",
            "wrong template",
            "MANUAL",
        )
        assert event.pause.HasField("paused_at")
    assert fenced.pause.HasField("fenced_at")
    assert (paused.pause.control_version, fenced.pause.control_version) == (1, 2)


async def _lift_and_fail(store: Store, begun: Pause) -> None:
    async with store.changes.change(OrganizationId("demo")) as change:
        found = await change.find(begun.control_id)
        assert found is not None
        lifted = found.resume(
            version=change.next_version, at=change.now, by="a", reason="b", request_id="c", plan=Immediate()
        )
        await change.write(lifted)
        raise RuntimeError("rolled back")


async def test_a_change_that_writes_nothing_leaves_no_trace(store: Store) -> None:
    async with store.changes.change(OrganizationId("demo")) as change:
        assert change.next_version == 1
    async with store.changes.change(OrganizationId("demo")) as change:
        assert change.next_version == 1
    assert await store.events() == []


async def test_organizations_and_the_platform_have_versions_of_their_own(store: Store) -> None:
    await store.pause()
    await store.pause(organization_id=OrganizationId("other"))
    await store.pause(organization_id=PLATFORM, scope=Scope.PLATFORM, target="")
    await store.pause(request_id="stop-2")

    assert (await store.snapshots.take({"demo", "other"})).versions == {"demo": 2, "other": 1, "": 1}


@pytest.mark.parametrize("attempt", range(5))
async def test_resume_expiry_and_fence_at_once_make_one_event_a_transition(
    store: Store, databases: Databases, attempt: int
) -> None:
    second = store_on(databases.connect(store.url), store.url)
    begun = await store.pause(paused_until=(await _database_now(store)) + timedelta(milliseconds=60))
    stop, hints = asyncio.Event(), Hints()
    loops = []
    failures: list[Failure] = []
    for replica in (store, second):
        fences = FenceLoop(
            changes=replica.changes,
            pauses=replica.pauses,
            rule=FenceRule(drift=0, guard=timedelta(0)),
            clock=_Fast(),
            committed=hints.give,
            failed=failures.append,
        )
        loops.append(fences.run(stop))
        loops.append(
            expire_pauses(
                stop,
                changes=replica.changes,
                deadlines=replica.pauses,
                clock=SystemClock(),
                hint=hints.listener(),
                committed=hints.give,
                failed=failures.append,
            )
        )
    running = [asyncio.create_task(loop) for loop in loops]
    await asyncio.sleep(0.055 + attempt * 0.002)

    async def lift(replica: Store, request_id: str) -> None:
        (seen,) = await replica.pauses.read([begun.control_id], {begun.organization_id})
        asked = Lift(
            request_id=request_id,
            control_ids=[begun.control_id],
            etag=seen.etag,
            reason="fixed",
            plan=Immediate(),
        )
        await resume(asked, ANA, changes=replica.changes, pauses=replica.pauses, committed=hints.give)

    lifts = await asyncio.gather(lift(store, "go-1"), lift(second, "go-2"), return_exceptions=True)

    async def ended() -> bool:
        found = await store.pauses.find(begun.control_id, {OrganizationId("demo")})
        return found is not None and not found.state.is_live

    await eventually(ended)
    stop.set()
    await asyncio.gather(*running)

    assert failures == []
    kinds = Counter(event.type for event in await store.events())
    assert max(kinds.values()) == 1
    ends = kinds[event_pb2.EVENT_TYPE_EXECUTION_RESUMED] + kinds[event_pb2.EVENT_TYPE_EXECUTION_PAUSE_EXPIRED]
    assert ends == 1
    assert sum(result is None for result in lifts) == kinds[event_pb2.EVENT_TYPE_EXECUTION_RESUMED]
    assert (await store.snapshots.take({"demo"})).versions["demo"] == sum(kinds.values())


class _Fast(SystemClock):
    """A clock on which W is over when the pause is due."""

    def boottime(self) -> float:
        return super().boottime() * 8


async def _database_now(store: Store) -> datetime:
    return (await store.pauses.news(None)).at


async def test_requests_with_one_id_at_once_at_two_replicas_make_one_pause(store: Store, databases: Databases) -> None:
    second = store_on(databases.connect(store.url), store.url)
    wish = Wish(
        request_id="stop-1",
        scope=Scope.CAMPAIGN,
        target="welcome",
        reason="wrong template",
        paused_until=None,
        organization_id="",
        source=None,
    )

    async def ask(replica: Store) -> Pause:
        return await pause(
            wish,
            ANA,
            Wait.COMMITTED,
            changes=replica.changes,
            fences=_NoFences(),
            new_id=uuid7,
            committed=lambda: None,
        )

    made = await asyncio.gather(*(ask(replica) for replica in (store, second) for _ in range(4)))

    assert len({seen.pause.control_id for seen in made}) == 1
    assert len(await store.events()) == 1


class _NoFences:
    """Fences that nobody waits for."""

    def committed(self, pause: Pause) -> None:
        pass

    async def settled(self, pause: Pause) -> Pause:
        raise AssertionError("nobody waits")


async def test_callers_and_services_have_request_ids_of_their_own(store: Store) -> None:
    await store.pause()
    await store.pause(peer="gate", paused_by="gate")

    assert len(await store.events()) == 2


async def test_the_permit_limit_stays_as_read_until_the_pause_has_committed(store: Store, databases: Databases) -> None:
    administrator = databases.connect(databases.server.url(database=store.url.rpartition("/")[2]))

    async def raise_limit() -> None:
        async with administrator.transaction() as tx:
            await tx.connection.execute("UPDATE control.permit_limit SET ttl_max = interval '5 seconds'")

    async with store.changes.change(OrganizationId("demo")) as change:
        assert change.ttl_max == timedelta(milliseconds=500)
        raising = asyncio.create_task(raise_limit())
        done, _ = await asyncio.wait([raising], timeout=0.2)
        assert not done
    await raising
    async with store.changes.change(OrganizationId("demo")) as change:
        assert change.ttl_max == timedelta(seconds=5)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("state = 'FENCED'", id="fenced without a time"),
        pytest.param("state = 'RESUMED'", id="ended without an ending"),
        pytest.param("ended_at = now(), ended_by = 'x', end_reason = 'y'", id="live with an ending"),
        pytest.param("target = ''", id="campaign without a target"),
        pytest.param("scope = 'PLATFORM', target = ''", id="platform with an organization"),
        pytest.param("state = 'GONE'", id="unknown state"),
        pytest.param(
            "state = 'EXPIRED', ended_at = now(), ended_by = 'x', end_reason = 'y'", id="expired without a time"
        ),
    ],
)
async def test_the_schema_refuses_what_no_pause_can_be(store: Store, change: str) -> None:
    await store.pause()

    with pytest.raises(IntegrityConstraintViolationError):
        async with store.database.transaction() as tx:
            await tx.connection.execute(f"UPDATE pause SET {change}")


async def test_nothing_is_deleted_by_the_service(store: Store) -> None:
    await store.pause()

    with pytest.raises(Exception, match="permission denied"):
        async with store.database.transaction() as tx:
            await tx.connection.execute("DELETE FROM pause")
