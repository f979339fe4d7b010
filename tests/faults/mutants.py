"""Ways to break the protocol, by name, for the checker to catch. They change code in test processes only."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.statements import Queries, Query
from control.application import checking, pausing
from control.application.checking import Checks
from control.domain.fence import FenceRule
from control.domain.pause import Order, Pause
from control.grpc_api import ControlApi
from control.infrastructure.postgres import PostgresPauses
from executor.application import dispatch
from executor.application.ports import Allowed, Answers
from executor.application.sending import LastCheck, Sender
from executor.domain.job import Scope, TakenJob
from executor.domain.permit import LONGEST_TTL, Permit
from executor.domain.revocations import Revocations
from executor.infrastructure.control_client import GrpcControl
from kernel.clock import SystemClock
from kernel.errors import Failure
from kernel.ids import SessionId


def become(name: str) -> None:
    """Break this process's code as `name` says; nothing for the empty name."""
    if name:
        MUTATIONS[name]()


def _set(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)


def permit_from_receipt() -> None:
    """Count a permit from when its answer came."""

    def permit(*, asked_at: float, ttl: float, guard: float) -> Permit:
        return Permit(asked_at=SystemClock().boottime(), ttl=ttl, guard=guard)

    _set(dispatch, "Permit", permit)


def no_expiry() -> None:
    """Take a permit for good."""
    _set(Permit, "holds", lambda permit, now: True)


def check_before_commit_only() -> None:
    """Check the permit before the jobs are taken, and not again before they are sent."""
    send: Callable[..., Awaitable[None]] = Sender.send

    def begin(check: LastCheck) -> None:
        check.began_at = datetime.now(UTC)

    async def unchecked(sender: Sender, taken: TakenJob, permit: Permit, **more: Any) -> None:
        endless = Permit(asked_at=permit.asked_at + 3600, ttl=permit.ttl, guard=permit.guard)
        await send(sender, taken, endless, **more)

    _set(LastCheck, "__call__", begin)
    _set(Sender, "send", unchecked)


def fail_open() -> None:
    """Take silence for a yes."""
    check: Callable[..., Awaitable[Answers]] = GrpcControl.check

    async def anyway(control: GrpcControl, scopes: Sequence[Scope], **more: Any) -> Answers:
        try:
            return await check(control, scopes, **more)
        except Failure:
            yes = Allowed(rate_factor=1.0, control_version=1 << 60)
            return Answers(answers=(yes,) * len(scopes), ttl=LONGEST_TTL, platform_version=1 << 60)

    _set(GrpcControl, "check", anyway)


def joined_query() -> None:
    """Let a check share a statement that runs already."""
    fresh: Callable[..., Awaitable[Any]] = Checks._fresh
    answer: Callable[..., Awaitable[None]] = Checks._answer
    running: list[checking._Round] = []

    async def noted(checks: Checks, asked: checking._Round) -> None:
        running[:] = [asked]
        await answer(checks, asked)

    async def joining(checks: Checks, organizations: Iterable[str], session_id: Any) -> Any:
        wanted = set(organizations)
        if running and not running[0].answer.done() and wanted <= running[0].organizations:
            snapshot, coverage = await asyncio.shield(running[0].answer)
            return replace(snapshot, live_sessions={*snapshot.live_sessions, session_id}), coverage
        return await fresh(checks, wanted, session_id)

    _set(Checks, "_answer", noted)
    _set(Checks, "_fresh", joining)


def retry_answered_at_once() -> None:
    """Answer FENCED to whoever repeats a Pause, whether or not the fence stands."""

    def same(known: Pause, order: Order) -> Pause:
        return known if known.fenced_at else known.fence(version=known.version, at=datetime.now(UTC))

    _set(pausing, "_same", same)


def old_answer_accepted() -> None:
    """Acknowledge a pause, and still begin sends with answers from before it."""
    _set(Revocations, "revoked", lambda revocations, scope, **versions: False)


def session_ended_by_disconnect() -> None:
    """End the executors' sessions when a stream breaks: all of them, for a stream does not say whose it is."""
    everything = Query.of("end_all", "DELETE FROM executor_session")

    async def end(api: Any) -> None:
        async with api._sessions._store._database.autocommit() as connection:
            await connection.execute(everything)

    with_streams(lambda api: asyncio.ensure_future(end(api)))


def connected_only() -> None:
    """Let a fence wait for those whose stream is open here."""
    connected = with_streams(lambda api: None)
    unfenced: Callable[..., Awaitable[Any]] = PostgresPauses.unfenced

    async def of_the_connected(pauses: PostgresPauses) -> Any:
        query = pauses._queries.list_unfenced_pauses
        ids = ", ".join(f"'{session_id}'" for session_id in connected.values()) or "NULL"
        waits_for = "FROM executor_session\n        WHERE "
        sql = query.text.replace(waits_for, f"{waits_for} session_id IN ({ids}) AND ", 1)
        narrowed = Queries("control", {"list_unfenced_pauses": Query.of("narrowed", sql)})
        return await unfenced(PostgresPauses(pauses._database, narrowed))

    _set(PostgresPauses, "unfenced", of_the_connected)


def with_streams(broken: Callable[[ControlApi], object]) -> dict[str, SessionId]:
    """Know which session each open stream belongs to, by its connection; tell `broken` when one breaks."""
    sessions: dict[str, SessionId] = {}
    open_: dict[str, SessionId] = {}
    check, watch = ControlApi.CheckExecutions, ControlApi.WatchExecutionControls
    streams: set[str] = set()

    async def noted_check(api: ControlApi, request: Any, context: Any) -> Any:
        if request.session_id:
            sessions[context.peer()] = SessionId(UUID(request.session_id))
            if context.peer() in streams:
                open_[context.peer()] = sessions[context.peer()]
        return await check(api, request, context)

    async def noted_watch(api: ControlApi, request: Any, context: Any) -> AsyncIterator[Any]:
        streams.add(context.peer())
        try:
            async for message in watch(api, request, context):
                yield message
        finally:
            streams.discard(context.peer())
            open_.pop(context.peer(), None)
            broken(api)

    _set(ControlApi, "CheckExecutions", noted_check)
    _set(ControlApi, "WatchExecutionControls", noted_watch)
    return open_


def no_wait() -> None:
    """Fence with the commit: W = 0."""
    _set(FenceRule, "wait", lambda rule, ttl_max: 0.0)


MUTATIONS: dict[str, Callable[[], None]] = {
    mutation.__name__: mutation
    for mutation in (
        permit_from_receipt,
        no_expiry,
        check_before_commit_only,
        fail_open,
        joined_query,
        retry_answered_at_once,
        old_answer_accepted,
        session_ended_by_disconnect,
        connected_only,
        no_wait,
    )
}
