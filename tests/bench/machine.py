"""What the figures were made on. Knows no figure."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psycopg

_PACKAGES = (
    "whatlead",
    "grpcio",
    "protobuf",
    "asyncpg",
    "sqlalchemy",
    "uvloop",
    "pgqueuer",
    "procrastinate",
    "psycopg",
)


def machine() -> dict[str, object]:
    """Describe processor, memory and system."""
    return {
        "processor": _first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_megabytes": int(_first("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "system": platform.platform(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
    }


def versions(postgresql: str) -> Mapping[str, str]:
    """Name the versions that were measured."""
    named = {name: version(name) for name in _PACKAGES}
    named["psycopg"] += f" ({psycopg.pq.__impl__})"
    return {"python": platform.python_version(), "postgresql": postgresql, **named}


def commit(folder: Path) -> str:
    """Return the commit checked out in `folder`, with `+` if files differ from it."""
    found = _git(folder, "rev-parse", "--short=12", "HEAD")
    return found + ("+" if found and _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        ).stdout.strip()
    except FileNotFoundError:
        return ""


def _first(file: str, key: str) -> str:
    lines = Path(file).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "unknown")
