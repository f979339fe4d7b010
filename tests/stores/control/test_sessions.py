"""Sessions and acknowledgements on PostgreSQL: what one statement sees, and what a crash may take away."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from tests.postgres import Databases
from tests.stores.control.conftest import Store, store_on
from tests.stores.control.test_reads import lift
from tests.unit.control.memory import order

from chassis.database import Query
from control.application.sessions import LEASE
from control.domain.pause import Pause
from kernel.ids import ControlId, OrganizationId, SessionId, uuid7

_OVER = timedelta(milliseconds=-1)
_WRITTEN = Query.of("written", "SELECT CAST(pg_current_wal_insert_lsn() AS text) AS lsn")
_IS_FLUSHED = Query.of(
    "is_flushed", "SELECT pg_current_wal_flush_lsn() > CAST(CAST(:before AS text) AS pg_lsn) AS is_flushed"
)
_ACKNOWLEDGED = Query.of(
    "acknowledged", "SELECT control_id FROM acknowledgement WHERE session_id = :session_id ORDER BY control_id"
)


def new_session() -> SessionId:
    return SessionId(uuid7())


async def registered(store: Store, *, lease: timedelta = LEASE) -> SessionId:
    session_id = new_session()
    assert await store.sessions.register(session_id, "executor-1", lease)
    return session_id


async def acknowledged(store: Store, session_id: SessionId) -> list[ControlId]:
    async with store.database.autocommit() as connection:
        return [row.control_id for row in await connection.fetch(_ACKNOWLEDGED, session_id=session_id)]


async def live(store: Store, *sessions: SessionId) -> set[SessionId]:
    return set((await store.snapshots.take({"demo"}, sessions)).live_sessions)


async def fence(store: Store, pause: Pause) -> Pause:
    async with store.changes.change(pause.organization_id) as change:
        fenced = pause.fence(version=change.next_version, at=change.now)
        await change.write(fenced)
    return fenced


async def test_a_session_is_born_obeying_the_pauses_that_its_registration_sees(store: Store) -> None:
    seen = [await store.pause(request_id=f"stop-{number}") for number in range(2)]
    await fence(store, await store.pause(request_id="fenced"))
    await lift(store, await store.pause(request_id="lifted"))

    session_id = await registered(store)

    assert await acknowledged(store, session_id) == [pause.control_id for pause in seen]


async def test_a_pause_not_committed_when_a_session_registers_waits_for_its_word(
    store: Store, databases: Databases
) -> None:
    second = store_on(databases.connect(store.url), store.url)
    async with store.changes.change(OrganizationId("demo")) as change:
        late = Pause.begin(
            order(),
            control_id=ControlId(uuid7()),
            version=change.next_version,
            ttl_max=change.ttl_max,
            at=change.now,
        )
        await change.write(late)
        session_id = await registered(second)

    assert await acknowledged(store, session_id) == []


async def test_a_repeated_registration_is_the_same_and_acknowledges_nothing_that_came_since(store: Store) -> None:
    session_id = await registered(store)
    await store.pause()

    assert await store.sessions.register(session_id, "executor-1", LEASE)

    assert await acknowledged(store, session_id) == []
    assert await live(store, session_id) == {session_id}


async def test_an_ended_session_is_not_live_is_not_extended_and_cannot_come_back(store: Store) -> None:
    lapsed, other = await registered(store, lease=_OVER), await registered(store)
    made = await store.pause()
    assert await live(store, lapsed, other) == {lapsed, other}
    assert (await store.sessions.endings()).lapsed

    await store.sessions.mark_lapsed()

    assert await live(store, lapsed, other) == {other}
    assert await store.sessions.acknowledge(lapsed, [made.control_id], LEASE) is None
    assert not await store.sessions.register(lapsed, "executor-1", LEASE)
    assert await acknowledged(store, lapsed) == []
    endings = await store.sessions.endings()
    assert (endings.lapsed, dict(endings.waits)) == (False, {lapsed: timedelta(milliseconds=500)})


async def test_only_sessions_that_are_marked_are_forgotten(store: Store) -> None:
    marked = await registered(store, lease=_OVER)
    await store.sessions.mark_lapsed()
    lapsed, fresh = await registered(store, lease=_OVER), await registered(store)

    await store.sessions.forget([marked, lapsed, fresh])

    assert await live(store, marked, lapsed, fresh) == {lapsed, fresh}
    assert dict((await store.sessions.endings()).waits) == {}


async def test_acknowledgements_are_counted_once_and_only_for_what_is_pausing(store: Store) -> None:
    session_id = await registered(store)
    pausing = await store.pause(request_id="pausing")
    fenced = await fence(store, await store.pause(request_id="fenced"))
    asked = [pausing.control_id, fenced.control_id, ControlId(uuid7())]

    assert await store.sessions.acknowledge(session_id, asked, LEASE) == 1
    assert await store.sessions.acknowledge(session_id, asked, LEASE) == 0
    assert await store.sessions.acknowledge(session_id, [], LEASE) == 0
    assert await store.sessions.acknowledge(new_session(), asked, LEASE) is None
    assert await acknowledged(store, session_id) == [pausing.control_id]


async def test_a_pause_is_acknowledged_when_every_session_there_is_has_said_so(store: Store) -> None:
    first, second = await registered(store), await registered(store, lease=_OVER)
    made = await store.pause(request_id="one")
    other = await store.pause(request_id="other")
    later = await registered(store)
    assert await obeyed(store) == []

    await store.sessions.acknowledge(first, [made.control_id], LEASE)
    assert await obeyed(store) == []
    await store.sessions.mark_lapsed()
    assert await obeyed(store) == []
    await store.sessions.forget([second])
    assert await obeyed(store) == [made]
    await store.sessions.end(first)
    assert await obeyed(store) == [made, other]
    await store.sessions.end(later)
    assert await obeyed(store) == [made, other]


async def test_a_session_that_acknowledged_before_it_ended_holds_nothing_up(store: Store) -> None:
    session_id = await registered(store, lease=_OVER)
    made = await store.pause()
    await store.sessions.acknowledge(session_id, [made.control_id], _OVER)

    await store.sessions.mark_lapsed()

    assert await obeyed(store) == [made]


async def obeyed(store: Store) -> list[Pause]:
    return [one.pause for one in await store.pauses.unfenced() if one.is_acknowledged]


async def test_what_is_settled_leaves_no_acknowledgement(store: Store) -> None:
    session_id = await registered(store)
    made = [await store.pause(request_id=f"stop-{number}") for number in range(3)]
    await store.sessions.acknowledge(session_id, [pause.control_id for pause in made], LEASE)

    await fence(store, made[0])
    await lift(store, made[1])

    assert await acknowledged(store, session_id) == [made[2].control_id]


async def test_a_renewal_extends_the_lease(store: Store) -> None:
    session_id = await registered(store, lease=_OVER)

    await store.sessions.acknowledge(session_id, [], LEASE)

    assert not (await store.sessions.endings()).lapsed


async def test_a_session_that_ends_in_good_order_is_gone_at_once_with_what_it_acknowledged(store: Store) -> None:
    session_id = await registered(store)
    made = await store.pause()
    await store.sessions.acknowledge(session_id, [made.control_id], LEASE)

    await store.sessions.end(session_id)
    await store.sessions.end(session_id)

    assert await acknowledged(store, session_id) == []
    assert await live(store, session_id) == set()


@pytest.mark.parametrize("call", ["register", "mark_lapsed", "forget", "end"])
async def test_what_permits_rest_on_is_on_disk_when_it_is_answered(store: Store, call: str) -> None:
    session_id = await registered(store, lease=_OVER)
    if call == "forget":
        await store.sessions.mark_lapsed()
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "register": lambda: store.sessions.register(new_session(), "executor-2", LEASE),
        "mark_lapsed": store.sessions.mark_lapsed,
        "forget": lambda: store.sessions.forget([session_id]),
        "end": lambda: store.sessions.end(session_id),
    }

    assert await _is_flushed_by(store, calls[call])


async def test_an_acknowledgement_waits_for_no_disk(store: Store) -> None:
    session_id = await registered(store)
    flushed = [
        await _is_flushed_by(store, partial(store.sessions.acknowledge, session_id, [], LEASE)) for _ in range(20)
    ]

    assert not all(flushed)


async def _is_flushed_by(store: Store, call: Callable[[], Awaitable[object]]) -> bool:
    """Tell whether the log was flushed beyond where it ended before `call`, as soon as that answered."""
    async with store.database.autocommit() as connection:
        before = await connection.fetch_one(_WRITTEN)
        assert before is not None
        await call()
        after = await connection.fetch_one(_IS_FLUSHED, before=before.lsn)
    return after is not None and bool(after.is_flushed)
