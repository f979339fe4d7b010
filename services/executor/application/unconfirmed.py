"""Put back what a commit took that was not heard of. Knows no control and no provider.

Nothing of it was sent, so nothing of it may become UNKNOWN.
"""

from contextlib import suppress
from uuid import UUID

from executor.application.ports import Begin, Taking
from executor.domain.settling import abort
from executor.domain.words import Reason
from kernel.clock import Clock
from kernel.errors import Failure

_SECONDS = 10.0  # how long a commit whose connection broke may still be under way
_LOOK_SECONDS = 0.1


class Unconfirmed:
    """The leases of commits that may or may not have gone through."""

    def __init__(self, *, begin: Begin[Taking], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock
        self._until: dict[UUID, float] = {}

    def note(self, token: UUID) -> None:
        """Note the lease of a commit that was not heard of."""
        self._until[token] = self._clock.boottime() + _SECONDS

    async def put_back(self) -> None:
        """Put back what shows by now. The server may still finish the rest: that is looked for again."""
        if not self._until:
            return
        tokens, now = list(self._until), self._clock.boottime()
        async with self._begin() as tx:
            jobs = await tx.lock_leased(tokens)
            at = self._clock.now()
            await tx.apply([abort(job, reason=Reason.TAKE_UNCONFIRMED, at=at) for job in jobs], closing=tokens)
        found = {job.lease_token for job in jobs}
        for token in tokens:
            if token in found or self._until[token] <= now:
                del self._until[token]

    async def put_back_all(self, *, seconds: float) -> None:
        """Put everything back, or what shows within `seconds`."""
        ends = self._clock.boottime() + seconds
        while self._until:
            with suppress(Failure):  # the database is away: it is tried for as long as there is time
                await self.put_back()
            if not self._until or self._clock.boottime() >= ends:
                return
            await self._clock.sleep(_LOOK_SECONDS)
