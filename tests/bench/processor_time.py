"""Read the processor time and memory of processes from /proc. Knows nothing of what they do."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME = 11  # fields of /proc/<pid>/stat after the command's closing parenthesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Processes by name, PostgreSQL by its first one; this one is `client`."""

    named: Mapping[str, int]
    postgres: int

    def seconds(self) -> dict[str, float]:
        """Return the processor time used so far, by name."""
        used = {name: _seconds(pid) for name, pid in self.named.items()}
        return {**used, "client": _seconds(os.getpid()), "postgresql": _seconds_with_children(self.postgres)}

    def others(self) -> float:
        """Return the processor time that the machine has used so far for anything but these."""
        return _machine_seconds() - sum(self.seconds().values())

    def resident_megabytes(self) -> dict[str, float]:
        """Return the memory in use now, by name, PostgreSQL left out."""
        return {name: _resident(pid) for name, pid in self.named.items()}


def seconds_of(pids: Iterable[int]) -> float:
    """Return the processor time that these processes have used, of those that live."""
    total = 0.0
    for pid in pids:
        try:
            total += _seconds(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def used_per_message(before: Mapping[str, float], after: Mapping[str, float], messages: int) -> dict[str, float]:
    """Return microseconds a message by name; two readings are 10 ms exact."""
    return {name: round((after[name] - before[name]) / messages * 1e6, 1) for name in after}


def _machine_seconds() -> float:
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = (
        Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return sum(map(int, (user, nice, system, *interrupts_and_stolen))) / _TICKS


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) / _TICKS


def _seconds_with_children(pid: int) -> float:
    """Count a process, its children that live, and those that it has reaped."""
    total = sum(map(int, _stat(pid)[_UTIME : _UTIME + 4])) / _TICKS
    return total + seconds_of(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
