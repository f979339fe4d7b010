"""Confirm what was delivered, in groups: what arrives within a moment of one is the next. Knows no receiver."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from chassis.outbox.parcels import Parcel, SetAside
from chassis.outbox.store import Store
from kernel.errors import Failure

_MOMENT_SECONDS = 0.05  # nobody waits for a confirmation: without one a parcel is merely delivered once more
_RETRY_SECONDS = 0.25
_MOST = 50_000
_log = structlog.get_logger("outbox")


class Confirmations:
    """Delivered parcels on their way out of the table."""

    def __init__(
        self, store: Store, *, settled: Callable[[], None], confirmed: Callable[[Sequence[Parcel]], None]
    ) -> None:
        self._store = store
        self._settled = settled
        self._confirmed = confirmed
        self._parcels: list[Parcel] = []
        self._refused: list[SetAside] = []
        self._committing = False
        self._wake = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Nothing waits to be confirmed."""
        return not self._parcels and not self._committing

    def add(self, parcels: Iterable[Parcel], refused: Sequence[SetAside] = ()) -> None:
        """Confirm these soon."""
        self._parcels.extend(parcels)
        self._refused.extend(refused)
        self._wake.set()

    async def run(self) -> None:
        """Confirm until cancelled."""
        while True:
            while not self._parcels:
                self._wake.clear()
                await self._wake.wait()
            if not await self._commit():
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if not self._parcels:
                self._settled()
            await asyncio.sleep(_MOMENT_SECONDS)

    async def _commit(self) -> bool:
        parcels, self._parcels = self._parcels, []
        refused, self._refused = self._refused, []
        self._committing = True
        try:
            await self._store.confirm(parcels, refused)
        except BaseException as error:
            if isinstance(error, Failure):
                _log.warning("outbox.confirm_failed", reason=error.reason, parcels=len(parcels))
            if len(parcels) <= _MOST:  # beyond that they are delivered once more
                self._parcels[:0] = parcels
                self._refused[:0] = refused
            if isinstance(error, Failure):
                return False
            raise
        finally:
            self._committing = False
        self._confirmed(parcels)
        return True
