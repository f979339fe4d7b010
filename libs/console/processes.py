"""Child processes that end with their parent. Knows no service."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_STOP_SECONDS = 25.0
_TAIL_BYTES = 3000


class ProcessEnded(Exception):
    """Tell that a process ended by itself, with the end of its log."""


@dataclass(slots=True, kw_only=True)
class ChildProcess:
    """One `python -m <module>` with its own environment and log file."""

    name: str
    module: str
    environment: Mapping[str, str]
    log: Path
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ProcessEnded(f"{self.name} was not started")
        return self._process.pid

    async def start(self) -> None:
        """Start it; it ends when this process ends."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WHATLEAD_")}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "console.child",
                str(os.getpid()),
                self.module,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**inherited, **self.environment},
                start_new_session=True,
            )

    async def stop(self) -> int:
        """Ask it to end and return its exit status; kill it if it has not ended after 25 s."""
        if self._process is None:
            return 0
        if self.running:
            self._process.terminate()
        try:
            return await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        """End it at once, as `kill -9` does."""
        if self._process is None:
            return 0
        if self.running:
            self._process.kill()
        return await self._process.wait()

    async def ended(self) -> None:
        """Wait until it has ended by itself and raise ProcessEnded with the end of its log."""
        if self._process is None:
            return
        status = await self._process.wait()
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            tail = log.read().decode(errors="replace")
        raise ProcessEnded(f"{self.name} ended with status {status}; the end of {self.log}:\n{tail}")
