"""What all commands share: common options, and how a command calls the system."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from console.connection import Clients

DataDir = Annotated[Path, typer.Option(envvar="WHATLEAD_DATA_DIR", help="Where the system keeps its data.")]
Organization = Annotated[str, typer.Option(envvar="WHATLEAD_ORGANIZATION", help="The organization to act for.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON also on a terminal.")]
PortBase = Annotated[int, typer.Option(help="Ports are counted from here.")]

DEFAULT_DATA_DIR = Path(".whatlead")
DEFAULT_ORGANIZATION = "demo"


def stop(message: str, status: int) -> NoReturn:
    """End with one line that says why."""
    print(f"whatlead: {message}", file=sys.stderr)
    sys.exit(status)


def call(data_dir: Path, organization: str, work: Callable[["Clients"], Awaitable[None]]) -> None:
    """Run `work` with clients of the system in `data_dir`."""
    from console.connection import clients, load, token_for

    async def connected() -> None:
        async with clients(load(data_dir), token_for(data_dir, organization)) as stubs:
            await work(stubs)

    run(connected())


def call_as_platform(data_dir: Path, work: Callable[["Clients"], Awaitable[None]]) -> None:
    """Run `work` for those who run the installation, with no organization."""
    from console.connection import clients, load, platform_token

    async def connected() -> None:
        async with clients(load(data_dir), platform_token(data_dir)) as stubs:
            await work(stubs)

    run(connected())


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine; a group of errors is raised as its first."""
    try:
        asyncio.run(work)
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group
