"""Send what is due, round by round: check, take, send. Knows no provider and no store.

A round asks control once for the scopes it is about to send for, takes in one transaction what can begin at once, and
starts its sends. It does not wait for their answers. Without a permit nothing is taken.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import structlog

from executor.application.holding import hold_due
from executor.application.outcomes import Outcomes
from executor.application.patience import Patience
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
from executor.application.rounds import Choice, Limits, choose, leaves_nothing
from executor.application.sending import Sender
from executor.application.session import SESSION_ENDED, Session
from executor.application.signals import Wake
from executor.application.unconfirmed import Unconfirmed
from executor.application.under_way import UnderWay
from executor.domain.job import Scope, TakenJob
from executor.domain.pauses import KnownPauses
from executor.domain.permit import Permit
from executor.domain.revocations import Revocations
from kernel.clock import Clock
from kernel.errors import Failure, Kind

log = structlog.get_logger("executor")

_GATHERING_SECONDS = 0.005  # how long a crowded process waits for places, so that a round fills several
_NOTHING: Sequence[TakenJob] = ()


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
        self._under_way = UnderWay(sender=sender, outcomes=outcomes, clock=clock)
        self._outcomes = outcomes
        self._session = session
        self._pauses = pauses
        self._revocations = revocations
        self._clock = clock
        self._new_token = new_token
        self._limits = limits
        self._patience = Patience(pauses, lead=limits.lead, longest=limits.longest_sleep)
        self._unconfirmed = Unconfirmed(begin=begin, clock=clock)
        self._unreachable = 0
        self._failed = 0
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
            ends = self._clock.boottime() + self._limits.stop_seconds
            await self._under_way.finish(seconds=self._limits.stop_seconds)
            await self._unconfirmed.put_back_all(seconds=ends - self._clock.boottime())
            self._outcomes.close()
            self.ended.set()

    async def _round_or_wait(self) -> float:
        try:
            wait = await self.round()
        except Failure as failure:
            log.warning("executor.round_failed", reason=failure.reason)
            self._failed += 1
            return min(0.005 * 2.0 ** min(self._failed, 10), self._limits.longest_sleep)
        self._failed = 0
        return wait

    async def round(self) -> float:
        """Do one round; return the seconds until the next is due unless something wakes the loop before."""
        await self._unconfirmed.put_back()
        await self._release_resumed()
        if self._outcomes.is_crowded:
            await self._clock.sleep(_GATHERING_SECONDS)
        room = min(self._outcomes.room, self._limits.sends)
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
        if self._unreachable > 1:
            log.info("executor.control_answers_again")
        self._unreachable = 0
        return min(choice.wait, await self._send_allowed(choice.scopes, answers, permit, room))

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
        """Choose this round's scopes. Where ones that are put off crowd the list, look further."""
        scopes, limits = self._limits.scopes, self._limits
        while True:
            due = await self._queue.due_scopes(scopes=scopes)
            now = self._clock.boottime()
            choice = choose(due, pauses=self._pauses, patience=self._patience, now=now, room=room, limits=limits)
            all_seen = len(due) < scopes or due[-1].ready_in > limits.lead
            if all_seen or len(choice.scopes) - choice.paused >= room:
                return choice
            scopes *= 4

    async def _send_allowed(self, asked: Sequence[Scope], answers: Answers, permit: Permit, room: int) -> float:
        """Send for the scopes that are allowed; return the seconds until these are worth another look."""
        allowed: dict[Scope, Allowed] = {}
        paused: dict[Scope, Paused] = {}
        now = self._clock.boottime()
        for scope, answer in zip(asked, answers.answers, strict=True):
            if isinstance(answer, Allowed) and self._may_be_taken(scope, answer, answers.platform_version):
                allowed[scope] = answer
            elif isinstance(answer, Paused) and self._patience.is_new(scope, answer.control_ids):
                paused[scope] = answer
        if not permit.holds(now):
            allowed = {}
        order = TakeOrder(
            scopes=tuple(allowed.items()),
            platform_version=answers.platform_version,
            token=self._new_token(),
            jobs=room,
            per_scope=max(1, min(self._limits.per_lane, math.ceil(room / max(1, len(allowed))))),
            horizon=permit.horizon(now),
            permit_seconds=permit.rest(now),
            lease_seconds=self._limits.lease_seconds + permit.ttl,
        )
        taken = await self._hold_and_take(paused, order)
        self._under_way.start(taken, order.token, permit)
        served = {job.job.scope for job in taken}
        for scope, answer in zip(asked, answers.answers, strict=True):
            ramping = isinstance(answer, Allowed) and answer.rate_factor < 1
            if isinstance(answer, Paused):
                self._patience.paused(scope, answer.control_ids, now)
            elif scope in served:
                self._patience.took(scope, ramping=ramping, now=now)
            elif len(taken) < room:
                self._patience.in_vain(scope, ramping=ramping, now=now)
        all_served = len(allowed) == len(asked) and leaves_nothing(order, taken)
        return order.horizon - self._limits.lead if all_served else 0.0

    def _may_be_taken(self, scope: Scope, answer: Allowed, platform_version: int) -> bool:
        """Tell whether the answer is not older than a pause that was heard of; what it tells of pauses is noted."""
        versions = {"control_version": answer.control_version, "platform_version": platform_version}
        if self._revocations.revoked(scope, **versions):
            return False
        self._pauses.lifted(scope, **versions)
        if self._patience.was_paused(scope):
            self._pauses.release_due = True
        return True

    async def _hold_and_take(self, paused: Mapping[Scope, Paused], order: TakeOrder) -> Sequence[TakenJob]:
        if not paused and not order.scopes:
            return _NOTHING
        try:
            async with self._begin() as tx:
                if paused:
                    await hold_due(tx, paused, jobs=self._limits.holds, at=self._clock.now())
                return await tx.take(order) if order.scopes else _NOTHING
        except BaseException:
            # The commit may have gone through: nothing is sent, and what was taken is put back.
            self._unconfirmed.note(order.token)
            raise

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
        """Take nothing. If the probe fails too, its jobs are told once why they wait."""
        self._unreachable += 1
        if self._unreachable == 2:
            log.warning("executor.control_unreachable", error=str(failure))
            await self._queue.mark_unreachable(ready, per_scope=self._limits.holds, jobs=self._limits.holds)
        return self._limits.probe
