"""Send what is due, round by round: check, take, send. Knows no provider and no store.

A round asks control once for the scopes it is about to send for, takes in one transaction what can begin at once, and
starts its sends. It does not wait for their answers. Without a permit nothing is taken.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from executor.application.outcomes import Outcomes
from executor.application.ports import (
    Allowed,
    Answers,
    Begin,
    Control,
    Paused,
    Queue,
    TakeOrder,
    Taking,
)
from executor.application.rounds import Choice, Limits, choose
from executor.application.sending import Sender
from executor.application.session import SESSION_ENDED, Session
from executor.application.signals import Wake
from executor.domain.job import Scope, TakenJob
from executor.domain.operation import hold
from executor.domain.pauses import KnownPauses
from executor.domain.permit import Permit
from executor.domain.revocations import Revocations
from executor.domain.settling import abort
from executor.domain.words import Reason
from kernel.clock import Clock
from kernel.errors import Failure, Kind

log = structlog.get_logger("executor")

_NOTHING: Sequence[TakenJob] = ()
_UNCONFIRMED_SECONDS = 10.0  # how long a commit whose connection broke may still be under way


class Dispatch:
    """The dispatch loop of one process."""

    def __init__(
        self,
        *,
        queue: Queue,
        begin: Begin[Taking],
        control: Control,
        sender: Sender,
        outcomes: Outcomes,
        session: Session,
        pauses: KnownPauses,
        revocations: Revocations,
        clock: Clock,
        new_token: Callable[[], UUID],
        limits: Limits,
    ) -> None:
        self._queue = queue
        self._begin = begin
        self._control = control
        self._sender = sender
        self._outcomes = outcomes
        self._session = session
        self._pauses = pauses
        self._revocations = revocations
        self._clock = clock
        self._new_token = new_token
        self._limits = limits
        self._sends: set[asyncio.Task[None]] = set()
        self._unconfirmed: dict[UUID, float] = {}
        self._unreachable = False
        self._fruitless = 0
        self._recheck_at = 0.0
        self.wake: Wake = outcomes.room_made
        self.ended = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`, then let the sends that are under way finish; `ended` is set when none can begin."""
        ringer = asyncio.create_task(self.wake.ring_at(stop), name="dispatch.stop")
        try:
            while not stop.is_set():
                self.wake.quiet()
                await self.wake.wait(await self._round_or_wait())
        finally:
            ringer.cancel()
            await self._finish_sends()
            self._outcomes.close()
            self.ended.set()

    async def _round_or_wait(self) -> float:
        try:
            return await self.round()
        except Failure as failure:
            log.warning("executor.round_failed", reason=failure.reason)
            self._fruitless += 1
            return self._patience()

    async def round(self) -> float:
        """Do one round; return the seconds until the next is due unless something wakes the loop before."""
        await self._put_back_unconfirmed()
        await self._release_resumed()
        room = self._outcomes.room
        if room < 1:
            return self._limits.longest_sleep
        choice = await self._choose(room)
        if not choice.scopes:
            return choice.wait
        asked_at = self._clock.boottime()
        try:
            answers = await self._ask(choice.scopes)
            permit = Permit(asked_at=asked_at, ttl=answers.ttl, guard=self._limits.guard)
        except (Failure, ValueError) as failure:
            return await self._without_control(choice.scopes, failure)
        if self._unreachable:
            self._unreachable = False
            log.info("executor.control_answers_again")
        return await self._send_allowed(choice.scopes, answers, permit, room)

    async def _ask(self, scopes: Sequence[Scope]) -> Answers:
        session_id = self._session.session_id
        if session_id is None:
            raise Failure(Kind.UNAVAILABLE, "CONTROL_UNREACHABLE", "no session is registered with control")
        try:
            return await self._control.check(scopes, session_id=session_id)
        except Failure as failure:
            if failure.reason == SESSION_ENDED:
                self._session.ended(session_id)
            raise

    async def _choose(self, room: int) -> Choice:
        """Choose this round's scopes. Where ones that are known to be paused crowd the list, look further."""
        scopes, limits = self._limits.scopes, self._limits
        while True:
            due = await self._queue.due_scopes(scopes=scopes)
            now = self._clock.boottime()
            choice = choose(due, pauses=self._pauses, now=now, recheck_at=self._recheck_at, room=room, limits=limits)
            all_seen = len(due) < scopes or due[-1].ready_in > limits.lead
            if all_seen or len(choice.scopes) - choice.rechecks >= room:
                break
            scopes *= 4
        if choice.rechecks:
            self._recheck_at = now + limits.recheck
        return choice

    async def _send_allowed(self, ready: Sequence[Scope], answers: Answers, permit: Permit, room: int) -> float:
        allowed: list[tuple[Scope, Allowed]] = []
        paused: list[tuple[Scope, Paused]] = []
        for scope, answer in zip(ready, answers.answers, strict=True):
            if isinstance(answer, Allowed):
                if not self._revocations.revoked(
                    scope, control_version=answer.control_version, platform_version=answers.platform_version
                ):
                    allowed.append((scope, answer))
            elif isinstance(answer, Paused):
                paused.append((scope, answer))
        now = self._clock.boottime()
        if not permit.holds(now):
            allowed = []
        order = TakeOrder(
            scopes=tuple(allowed),
            platform_version=answers.platform_version,
            token=self._new_token(),
            jobs=room,
            per_scope=max(1, min(self._limits.per_lane, math.ceil(room / max(1, len(allowed))))),
            horizon=permit.horizon(now),
            lease_seconds=self._limits.lease_seconds + permit.ttl,
        )
        held, taken = await self._hold_and_take(paused, order)
        self._start(taken, order.token, permit)
        if taken or held:
            self._fruitless = 0
            return 0.0
        self._fruitless += 1
        return self._patience()

    async def _hold_and_take(
        self, paused: Sequence[tuple[Scope, Paused]], order: TakeOrder
    ) -> tuple[int, Sequence[TakenJob]]:
        held, taken = 0, _NOTHING
        if not paused and not order.scopes:
            return held, taken
        try:
            async with self._begin() as tx:
                if paused:
                    held = await self._hold(tx, paused)
                if order.scopes:
                    taken = await tx.take(order)
        except BaseException:
            # The commit may have gone through: nothing is sent, and what was taken is put back.
            self._unconfirmed[order.token] = self._clock.boottime() + _UNCONFIRMED_SECONDS
            raise
        return held, taken

    async def _hold(self, tx: Taking, paused: Sequence[tuple[Scope, Paused]]) -> int:
        answers = dict(paused)
        jobs = await tx.lock_due(list(answers), per_scope=self._limits.holds, jobs=self._limits.holds)
        at = self._clock.now()
        changes = []
        for job in jobs:
            answer = answers[job.scope]
            changes.append(
                hold(
                    job,
                    control_ids=answer.control_ids,
                    pause_reason=answer.reason,
                    paused_until=answer.paused_until,
                    at=at,
                )
            )
        if changes:
            await tx.apply(changes)
        return len(changes)

    def _start(self, taken: Sequence[TakenJob], token: UUID, permit: Permit) -> None:
        """Start the sends. Slots count from now: later than on the database's clock by the commit, never earlier."""
        if not taken:
            return
        self._outcomes.opened(token, len(taken))
        now = self._clock.boottime()
        for job in taken:
            send = self._sender.send(job, permit, slot=now + job.slot_in, settled=self._outcomes.add)
            task = asyncio.create_task(send)
            self._sends.add(task)
            task.add_done_callback(self._sends.discard)

    async def _put_back_unconfirmed(self) -> None:
        """Put back what a broken commit may have taken; nothing of it was sent, so nothing of it becomes UNKNOWN.

        The server may finish such a commit after its connection broke: what is not there yet is looked for again.
        """
        if not self._unconfirmed:
            return
        tokens, now = list(self._unconfirmed), self._clock.boottime()
        async with self._begin() as tx:
            jobs = await tx.lock_leased(tokens)
            at = self._clock.now()
            await tx.apply([abort(job, reason=Reason.TAKE_UNCONFIRMED, at=at) for job in jobs])
            await tx.close_leases(tokens)
        found = {job.lease_token for job in jobs}
        for token in tokens:
            if token in found or self._unconfirmed[token] <= now:
                del self._unconfirmed[token]

    async def _release_resumed(self) -> None:
        """Make runnable what ended pauses have held, in batches, so that sending goes on between them."""
        if not self._pauses.release_due:
            return
        self._pauses.release_due = False
        try:
            released = await self._queue.release_held(self._pauses.live_ids(), jobs=self._limits.releases)
        except Failure:
            self._pauses.release_due = True
            raise
        self._pauses.release_due = self._pauses.release_due or released == self._limits.releases

    async def _without_control(self, ready: Sequence[Scope], failure: Exception) -> float:
        """Take nothing. The jobs of this round are told why they wait, once; the next round is the probe."""
        if not self._unreachable:
            self._unreachable = True
            log.warning("executor.control_unreachable", error=str(failure))
            await self._queue.mark_unreachable(ready, per_scope=self._limits.holds, jobs=self._limits.holds)
        return self._limits.probe

    def _patience(self) -> float:
        """How long to wait after rounds that found nothing to do although something is due."""
        return min(0.005 * 2.0 ** min(self._fruitless, 10), self._limits.longest_sleep)

    async def _finish_sends(self) -> None:
        """Wait for the sends under way; those that outlast the time left are cut off and become UNKNOWN."""
        if not self._sends:
            return
        _, late = await asyncio.wait(self._sends, timeout=self._limits.stop_seconds)
        for task in late:
            task.cancel()
        if late:
            log.warning("executor.sends_cut_off", sends=len(late))
            await asyncio.wait(late)
