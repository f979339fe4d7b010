"""A whole process for the tests of its life: one call that takes its time, a loop, and what closes at the end."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from chassis.serving import Process, Registration, launch
from chassis.settings import ServiceSettings
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2, control_pb2_grpc

log = structlog.get_logger()


class SlowControl(control_pb2_grpc.ControlServiceServicer):
    """Answers half a second after it was asked, unless the instance says what else to do."""

    async def GetEffectiveState(self, request: Any, context: Any) -> Any:
        log.info("slow.asked")
        if request.instance_id == "bug":
            raise ValueError("no such number: +5511987654321")
        await asyncio.sleep(0.5)
        log.info("slow.answered")
        return control_pb2.GetEffectiveStateResponse()


async def loop(stop: asyncio.Event) -> None:
    if os.environ["LOOP"] == "dies":
        raise ValueError("the loop is broken")
    if os.environ["LOOP"] == "returns":
        return
    await stop.wait()
    log.info("slow.loop_ended")


async def say(what: str) -> None:
    log.info(what)


@asynccontextmanager
async def compose(settings: ServiceSettings) -> AsyncIterator[Process]:
    if os.environ["LOOP"] == "outdated":
        raise Failure(Kind.FAILED_PRECONDITION, "SCHEMA_OUTDATED", "run `whatlead migrate`")
    yield Process(
        name="slow",
        settings=settings,
        registrations=[
            Registration(
                descriptor=control_pb2.DESCRIPTOR.services_by_name["ControlService"],
                servicer=SlowControl(),  # type: ignore[abstract]
                add=control_pb2_grpc.add_ControlServiceServicer_to_server,
            )
        ],
        loops={"slow": loop},
        on_stop=[lambda: say("slow.first_opened"), lambda: say("slow.second_opened")],
    )
    log.info("slow.closed")


if __name__ == "__main__":
    raise SystemExit(launch("slow", ServiceSettings, compose))
