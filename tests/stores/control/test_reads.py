"""What checks, watchers and lists read on PostgreSQL."""

import asyncio
from datetime import timedelta

import pytest
from tests.postgres import Databases, counting
from tests.stores.control.conftest import Store, eventually, store_on
from tests.unit.control.memory import order

from chassis.database import Query, load_queries
from control.application.checking import Checks
from control.application.heartbeat import Heart
from control.domain.coverage import Sending
from control.domain.pause import PLATFORM, Pause, Scope, State
from control.domain.resumption import Immediate
from control.infrastructure.notifications import ACKNOWLEDGEMENTS, CHANGES, listen
from control.infrastructure.postgres import Filter
from kernel.clock import SystemClock
from kernel.errors import Failure, Kind
from kernel.ids import ControlId, OrganizationId, SessionId, uuid7

DEMO = OrganizationId("demo")
OTHER = OrganizationId("other")


def _raise(error: Exception) -> None:
    raise error


async def lift(store: Store, pause: Pause) -> Pause:
    async with store.changes.change(pause.organization_id) as change:
        lifted = pause.resume(
            version=change.next_version,
            at=change.now,
            by="ana",
            reason="fixed",
            request_id=f"go-{pause.order.request_id}",
            plan=Immediate(),
        )
        await change.write(lifted)
    return lifted


async def test_a_check_of_200_tuples_is_one_statement(store: Store, databases: Databases) -> None:
    await store.pause()
    beats = store_on(databases.connect(store.url), store.url).heartbeats
    heart = Heart(heartbeats=beats, clock=SystemClock(), failed=_raise)
    stop = asyncio.Event()
    beating = asyncio.create_task(heart.run(stop))
    checks = Checks(snapshots=store.snapshots, heart=heart, ttl=timedelta(milliseconds=500), failed=_raise)
    sendings = [Sending(f"org-{number % 20}", f"i{number}", "welcome") for number in range(199)]
    await heart.demand_fresh()

    with counting(store.database) as statements:
        verdicts = await checks.check([*sendings, Sending("demo", "sp-1", "welcome")])

    stop.set()
    await beating
    assert len(statements) == 1
    assert [bool(covering) for covering in verdicts.covering] == [False] * 199 + [True]
    assert verdicts.ttl == timedelta(milliseconds=500)


async def test_pauses_and_the_versions_of_their_etag_are_read_in_one_statement(store: Store) -> None:
    """Two statements would let a pause begin between them: hidden from the reader, and covered by the etag."""
    made = await store.pause()
    everything = Filter(organizations=(DEMO, PLATFORM), live_only=False, scope=None, target="")
    reads = (
        store.pauses.read([made.control_id], {DEMO, PLATFORM}),
        store.pauses.live({DEMO, PLATFORM}),
        store.pauses.page(everything, before=None, count=50),
    )
    for read in reads:
        with counting(store.database) as statements:
            (seen,) = await read
        assert len(statements) == 1
        assert (seen.pause, str(seen.etag)) == (made, "v1.0")


async def test_a_snapshot_holds_what_was_committed_before_it_was_asked_for(store: Store) -> None:
    for number in range(20):
        made = await store.pause(request_id=f"stop-{number}")
        assert made in (await store.snapshots.take({"demo"})).pauses
        lifted = await lift(store, made)
        snapshot = await store.snapshots.take({"demo"})
        assert (list(snapshot.pauses), snapshot.versions["demo"]) == ([], lifted.version)


async def test_a_snapshot_tells_of_the_organizations_asked_for_and_of_the_platform(store: Store) -> None:
    own = await store.pause()
    await store.pause(organization_id=OTHER)
    everything = await store.pause(organization_id=PLATFORM, scope=Scope.PLATFORM, target="")

    snapshot = await store.snapshots.take({"demo", "never-seen"})

    assert {pause.control_id for pause in snapshot.pauses} == {own.control_id, everything.control_id}
    assert snapshot.versions == {"demo": 1, "": 1}


async def test_a_snapshot_shows_the_heartbeat_of_its_own_replica(store: Store) -> None:
    assert (await store.snapshots.take(())).beat == 0
    await store.heartbeats.beat(1, 0)
    await store.heartbeats.beat(7, 1)
    await store.heartbeats.beat(5, 0)

    assert (await store.snapshots.take(())).beat == 7


async def test_when_writes_hang_while_reads_go_on_nothing_is_granted(store: Store, databases: Databases) -> None:
    beats = store_on(databases.connect(store.url), store.url).heartbeats
    heart = Heart(heartbeats=beats, clock=SystemClock(), failed=lambda failure: None)
    stop = asyncio.Event()
    beating = asyncio.create_task(heart.run(stop))
    checks = Checks(snapshots=store.snapshots, heart=heart, ttl=timedelta(milliseconds=500), failed=_raise)
    assert (await checks.check([Sending("demo", "", "")])).covering == [()]
    administrator = databases.connect(databases.server.url(database=store.url.rpartition("/")[2]))

    async with administrator.transaction() as tx:
        await tx.connection.execute("LOCK TABLE control.heartbeat IN EXCLUSIVE MODE")
        await eventually(lambda: _is(not heart.is_fresh))
        with pytest.raises(Failure) as refused:
            await checks.check([Sending("demo", "", "")])
        assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        assert (await store.snapshots.take({"demo"})).ttl_max == timedelta(milliseconds=500)

    await eventually(lambda: _is(heart.is_fresh))
    assert (await checks.check([Sending("demo", "", "")])).covering == [()]
    stop.set()
    await beating


async def _is(value: bool) -> bool:
    return value


async def test_news_pass_over_nothing_that_was_still_open_when_they_were_read(store: Store) -> None:
    first = await store.pauses.news(None)
    async with store.changes.change(OTHER) as slow:
        await store.pause()
        between = await store.pauses.news(first.cursor)
        assert [pause.organization_id for pause in between.pauses] == ["demo"]
        late = Pause.begin(
            order(organization_id=OTHER),
            control_id=ControlId(uuid7()),
            version=slow.next_version,
            ttl_max=slow.ttl_max,
            at=slow.now,
        )
        await slow.write(late)
    after = await store.pauses.news(between.cursor)

    assert late in after.pauses
    assert await store.pauses.news(None) != after
    assert late not in (await store.pauses.news((await store.pauses.news(after.cursor)).cursor)).pauses


async def test_news_tell_of_endings(store: Store) -> None:
    made = await store.pause()
    live = await store.pauses.news(None)
    lifted = await lift(store, made)

    assert list(live.pauses) == [made]
    assert [pause.state for pause in (await store.pauses.news(live.cursor)).pauses] == [State.RESUMED]
    assert lifted.version == 2
    assert list((await store.pauses.news(None)).pauses) == []


async def test_the_agenda_is_judged_by_the_clock_of_the_database(store: Store) -> None:
    now = (await store.pauses.news(None)).at
    due = await store.pause(request_id="a", paused_until=now + timedelta(milliseconds=1))
    await store.pause(request_id="b", paused_until=now + timedelta(hours=1))
    await store.pause(request_id="c")

    async def is_due() -> bool:
        return bool((await store.pauses.agenda()).due)

    await eventually(is_due)
    agenda = await store.pauses.agenda()
    assert list(agenda.due) == [due]
    assert agenda.next_in == pytest.approx(3600, abs=10)


async def test_pages_go_through_all_once_newest_first(store: Store) -> None:
    made = [await store.pause(request_id=f"stop-{number}") for number in range(7)]
    made.append(await store.pause(organization_id=PLATFORM, scope=Scope.PLATFORM, target=""))
    await store.pause(organization_id=OTHER)
    everything = Filter(organizations=(DEMO, PLATFORM), live_only=False, scope=None, target="")
    pages, before = [], None
    while page := await store.pauses.page(everything, before=before, count=3):
        pages.append([seen.pause.control_id for seen in page])
        before = page[-1].pause.control_id

    assert [len(page) for page in pages] == [3, 3, 2]
    assert sorted((pause.control_id for pause in made), reverse=True) == [one for page in pages for one in page]


@pytest.mark.parametrize(
    ("live_only", "scope", "target", "expected"),
    [
        (False, None, "", {"a", "b", "c"}),
        (True, None, "", {"b", "c"}),
        (False, Scope.INSTANCE, "", {"c"}),
        (False, None, "welcome", {"a", "b"}),
        (False, Scope.INSTANCE, "welcome", set()),
    ],
)
async def test_a_list_is_of_what_was_asked_for(
    store: Store, live_only: bool, scope: Scope | None, target: str, expected: set[str]
) -> None:
    await lift(store, await store.pause(request_id="a"))
    await store.pause(request_id="b")
    await store.pause(request_id="c", scope=Scope.INSTANCE, target="sp-1")

    asked = Filter(organizations=(DEMO, PLATFORM), live_only=live_only, scope=scope, target=target)
    found = await store.pauses.page(asked, before=None, count=50)

    assert {seen.pause.order.request_id for seen in found} == expected


async def test_a_change_is_heard_and_heard_again_after_the_connection_broke(store: Store, databases: Databases) -> None:
    stop, heard, acknowledged = asyncio.Event(), asyncio.Event(), asyncio.Event()
    session_id = SessionId(uuid7())
    await store.sessions.register(session_id, "executor-1", timedelta(minutes=1))
    listening = asyncio.create_task(
        listen(
            stop,
            database=databases.connect(store.url),
            heard={CHANGES: heard.set, ACKNOWLEDGEMENTS: acknowledged.set},
        )
    )
    async with asyncio.timeout(10):
        await heard.wait()
        heard.clear()
        await store.pause(request_id="stop-1")
        await heard.wait()
        await databases.administer(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^(LISTEN|SELECT 1)'"
        )
        heard.clear()
        await heard.wait()
        heard.clear()
        acknowledged.clear()
        made = await store.pause(request_id="stop-2")
        await heard.wait()
        assert not acknowledged.is_set()
        heard.clear()
        await store.sessions.acknowledge(session_id, [made.control_id], timedelta(minutes=1))
        await acknowledged.wait()
        assert not heard.is_set()
        stop.set()
        await listening


@pytest.mark.parametrize(
    ("name", "index", "cursor"),
    [
        ("list_unfenced_pauses", "pause_unfenced", ""),
        ("read_news", "pause_changed", "999999999"),
        ("list_due_pauses", "pause_due", ""),
    ],
)
async def test_loops_read_by_an_index_however_many_pauses_have_ended(
    store: Store, name: str, index: str, cursor: str
) -> None:
    async with store.database.transaction() as tx:
        await tx.connection.execute(_MANY_ENDED)
        plan = await tx.fetch(_explained(name), **({"cursor": cursor} if cursor else {}))

    assert index in "\n".join(row[0] for row in plan)


def _explained(name: str) -> Query:
    sql: str = getattr(load_queries("control"), name).text
    return Query.of(name, f"EXPLAIN {sql}")


_MANY_ENDED = """
INSERT INTO pause (
    organization_id, control_id, scope, target, reason, source, paused_until, paused_by, peer, request_id, state,
    version, ttl_max, created_at, fenced_at, ended_at, ended_by, end_reason, resume_request_id, changed_in,
    begun_version, plan, full_pace_at
)
SELECT
    'org-' || number % 50, gen_random_uuid(), 'CAMPAIGN', 'welcome', 'r', 'MANUAL', now(), 'ana', '', 'p' || number,
    'RESUMED', 3, interval '500 milliseconds', now(), now(), now(), 'ana', 'r', 'g' || number,
    CAST(CAST(number AS text) AS xid8), 1, 'IMMEDIATE', now()
FROM generate_series(1, 20000) AS number;
"""
