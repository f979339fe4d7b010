"""Wake a loop: what arrives is worked on at once, without polling. Knows no work."""

import asyncio


class Wake:
    """A bell that several may ring and one waits for."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake the one who waits, or who is about to."""
        self._event.set()

    def quiet(self) -> None:
        """Forget what rang so far. Call before looking for work, so that what comes during the look is not missed."""
        self._event.clear()

    async def wait(self, seconds: float) -> None:
        """Wait until it rings, at most `seconds`."""
        if seconds <= 0 or self._event.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return

    async def ring_at(self, stop: asyncio.Event) -> None:
        """Ring when `stop` is set."""
        await stop.wait()
        self.ring()
