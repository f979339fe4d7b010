"""Send one taken job: wait for its slot, check the permit at the last hook, say what came of it. Knows no provider."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from executor.application.ports import Provider
from executor.domain.change import Change
from executor.domain.job import Job, TakenJob
from executor.domain.outcome import Outcome, PermitLapsedError, PermitRevokedError, Retryable, Unknown
from executor.domain.permit import Permit
from executor.domain.revocations import Revocations
from executor.domain.settling import RetryPolicy, Timing, abort, settle
from executor.domain.words import Reason
from kernel.clock import Clock

log = structlog.get_logger("executor")


class LastCheck:
    """What a provider calls right before the first byte leaves; it refuses once the permit is over or revoked."""

    __slots__ = ("_clock", "_job", "_permit", "_revocations", "began_at")

    def __init__(self, job: Job, permit: Permit, revocations: Revocations, clock: Clock) -> None:
        self._job = job
        self._permit = permit
        self._revocations = revocations
        self._clock = clock
        self.began_at: datetime | None = None

    def __call__(self) -> None:
        self.demand()
        self.began_at = self._clock.now()

    def demand(self) -> None:
        """Raise PermitLapsedError unless the send may begin."""
        if not self._permit.holds(self._clock.boottime()):
            raise PermitLapsedError
        job = self._job
        if self._revocations.revoked(
            job.scope, control_version=job.control_version, platform_version=job.platform_version
        ):
            raise PermitRevokedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sends taken jobs through the provider that their lane names."""

    providers: Mapping[str, Provider]
    revocations: Revocations
    policy: RetryPolicy
    clock: Clock
    chance: Callable[[], float]

    async def send(self, taken: TakenJob, permit: Permit, *, slot: float, settled: Callable[[Change], None]) -> None:
        """Begin at `slot` (boot-time seconds) and hand what came of it to `settled`, whatever happens."""
        job = taken.job
        check = LastCheck(job, permit, self.revocations, self.clock)
        try:
            outcome = await self._outcome(taken, check, slot)
        except PermitRevokedError:
            settled(abort(job, reason=Reason.PERMIT_REVOKED, at=self.clock.now()))
        except PermitLapsedError:
            settled(abort(job, reason=Reason.PERMIT_LAPSED, at=self.clock.now()))
        except asyncio.CancelledError:
            if check.began_at is None:
                settled(abort(job, reason=Reason.STOPPED, at=self.clock.now()))
            else:
                settled(self._settle(taken, Unknown(reason=Reason.STOPPED), check))
            raise
        else:
            settled(self._settle(taken, outcome, check))

    async def _outcome(self, taken: TakenJob, check: LastCheck, slot: float) -> Outcome:
        wait = slot - self.clock.boottime()
        if wait > 0:
            await self.clock.sleep(wait)
        provider = self.providers.get(taken.job.provider)
        if provider is None:
            return Retryable(reason=Reason.PROVIDER_NOT_CONFIGURED)
        check.demand()
        try:
            return await provider.send(taken.message(), check)
        except PermitLapsedError:
            raise
        except Exception:
            log.exception("executor.adapter_failed", provider=taken.job.provider, intent_id=str(taken.job.intent_id))
            if check.began_at is None:
                return Retryable(reason=Reason.ADAPTER_ERROR)
            return Unknown(reason=Reason.ADAPTER_ERROR)

    def _settle(self, taken: TakenJob, outcome: Outcome, check: LastCheck) -> Change:
        timing = Timing(began_at=check.began_at, ended_at=self.clock.now())
        return settle(taken.job, outcome, timing=timing, policy=self.policy, chance=self.chance())
