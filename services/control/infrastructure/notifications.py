"""Hear at once that something changed at any replica. A hint only: whoever depends on it also looks by itself."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from chassis.database import Database, Query
from chassis.database_failures import BROKEN
from kernel.errors import Failure

CHANGES = "whatlead_control"
ACKNOWLEDGEMENTS = "whatlead_acknowledgements"
_RETRY_SECONDS = 0.5
_PROBE_SECONDS = 10.0
_PROBE = Query.of("probe", "SELECT 1")
_BROKEN = (Failure, *BROKEN, OSError, TimeoutError)
_log = structlog.get_logger("control")


async def listen(stop: asyncio.Event, *, database: Database, heard: Mapping[str, Callable[[], None]]) -> None:
    """Call what `heard` has for a channel at each of its notifications, until `stop`.

    The connection is opened anew when it breaks, and then everything is called once.
    """
    while not stop.is_set():
        try:
            await _listen_once(stop, database, heard)
        except _BROKEN as error:
            _log.warning("control.notifications_lost", error=type(error).__name__)
            await _wait(stop, _RETRY_SECONDS)


async def _listen_once(stop: asyncio.Event, database: Database, heard: Mapping[str, Callable[[], None]]) -> None:
    async with database.autocommit() as connection:
        driver = connection.connection
        ended = asyncio.Event()

        def on_notification(connection: object, process: int, channel: str, payload: object) -> None:
            heard[channel]()

        def on_end(*_: object) -> None:
            ended.set()

        driver.add_termination_listener(on_end)
        for channel in heard:
            await driver.add_listener(channel, on_notification)
        for call in heard.values():
            call()  # what was missed while nobody listened
        try:
            while not stop.is_set() and not ended.is_set():
                await _wait(stop, _PROBE_SECONDS, ended)
                if not stop.is_set():
                    await connection.fetch_one(_PROBE)
        finally:
            driver.remove_termination_listener(on_end)
            if not driver.is_closed():
                for channel in heard:
                    await driver.remove_listener(channel, on_notification)


async def _wait(stop: asyncio.Event, seconds: float, *others: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (stop, *others)]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
