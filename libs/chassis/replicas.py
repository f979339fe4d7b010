"""Call a service that runs at several addresses: one of them, and the next once that one fails. Knows no method."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from kernel.errors import Failure, Kind

S = TypeVar("S")
T = TypeVar("T")

_GONE = (Kind.UNAVAILABLE, Kind.DEADLINE_EXCEEDED, Kind.RESOURCE_EXHAUSTED)  # the last: others may have room


class Replicas(Generic[S]):
    """The stubs of one service, one an address. All who call use the same one until it fails."""

    def __init__(self, stubs: Sequence[S]) -> None:
        if not stubs:
            raise ValueError("a service has at least one address")
        self._stubs = tuple(stubs)
        self._turn = 0

    def next(self) -> S:
        """Turn to the next replica and return it."""
        self._turn += 1
        return self._stubs[self._turn % len(self._stubs)]

    async def call(self, ask: Callable[[S, float], Awaitable[T]], *, timeout: float) -> T:
        """Return what `ask(stub, seconds)` gives within `timeout`, from the first replica that has room for it.

        One that is silent uses up the time: the call fails, and the next call begins with the next replica.
        """
        clock = asyncio.get_running_loop().time
        ends = clock() + timeout
        tries = len(self._stubs)
        while True:
            turn = self._turn
            try:
                return await ask(self._stubs[turn % len(self._stubs)], ends - clock())
            except Failure as failure:
                if failure.kind not in _GONE:
                    raise
                if self._turn == turn:  # nobody else has turned meanwhile
                    self._turn += 1
                tries -= 1
                if not tries or clock() >= ends:
                    raise
