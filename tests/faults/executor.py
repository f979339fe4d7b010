"""The real executor with its last hook noted: `python -m tests.faults.executor`. Knows no checker.

Each line of its log: the boot-time reading that the last check used, attempt id. It is written inside the hook.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.faults import mutants
from tests.faults.launching import SteppingClock, is_deaf, mutant

import executor.__main__ as product
from chassis.serving import Process
from executor.application.ports import PauseBegan, Provider, Snapshot, Told
from executor.domain.job import Message
from executor.domain.outcome import Outcome
from executor.infrastructure.control_client import GrpcControl


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A provider whose hook is noted once the last check has passed."""

    provider: Provider
    clock: SteppingClock
    log: int

    async def send(self, message: Message, begin: Callable[[], None]) -> Outcome:
        """Send as the provider does."""

        def noted() -> None:
            self.clock.reading = 0.0
            begin()
            reading = self.clock.reading or self.clock.boottime()
            os.write(self.log, f"{reading:.6f} {message.attempt_id}\n".encode())

        return await self.provider.send(message, noted)

    async def health(self) -> bool:
        """As the provider is."""
        return await self.provider.health()


async def _without_pauses(stream: AsyncIterator[Told]) -> AsyncIterator[Told]:
    async for told in stream:
        if isinstance(told, Snapshot):
            yield replace(told, pauses=())
        elif not isinstance(told, PauseBegan):
            yield told


clock = SteppingClock()
_assemble = product.assemble


def assemble(*, providers: Mapping[str, Provider], control: GrpcControl, **parts: Any) -> Process:
    """Tie the product's parts together, around noted providers."""
    log = os.open(os.environ["FAULTS_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    noted = {name: Noted(provider=provider, clock=clock, log=log) for name, provider in providers.items()}
    if is_deaf():
        watch = control.watch
        control.watch = lambda: _without_pauses(watch())  # type: ignore[method-assign]
    return _assemble(providers=noted, control=control, **parts)


if __name__ == "__main__":
    product.SystemClock = lambda: clock  # type: ignore[assignment,misc]
    product.assemble = lambda settings, **parts: assemble(settings=settings, **parts)
    mutants.become(mutant())
    sys.exit(product.main())
