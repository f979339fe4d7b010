"""Composition root of the simulator: settings → ledger, script, webhooks → endpoints → serve."""

import argparse
import asyncio
import logging
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
import uvloop
from aiohttp import web
from pydantic import ValidationError

from simulator.cloud_api import CloudApi, error_answer
from simulator.delivery import DeliveryPolicy, WebhookDelivery
from simulator.http_server import Handler, serving
from simulator.inspection_api import InspectionApi
from simulator.ledger import Ledger
from simulator.script import Script
from simulator.settings import SimulatorSettings, explain

DRAIN_SECONDS = 2.0

_MESSAGES = re.compile(r"/v\d{1,3}\.\d{1,2}/([^/]{1,64})/messages", re.ASCII)

log = structlog.get_logger()


def route(*, cloud_api: CloudApi, inspection_api: InspectionApi) -> Handler:
    """Return the handler that tells the provider's paths from the simulator's own."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        messages = _MESSAGES.fullmatch(request.path)
        if messages and request.method == "POST":
            return await cloud_api.send(request, messages[1])
        if request.path.startswith("/_simulator/"):
            return await inspection_api.answer(request)
        return error_answer(code=100 if messages else 2500)

    return handle


@asynccontextmanager
async def running(settings: SimulatorSettings) -> AsyncIterator[int]:
    """Run the simulator and yield its port; at the end hangs are cut short and webhooks flushed."""
    closing, closed = asyncio.Event(), asyncio.Event()
    profile = settings.profile
    ledger, script = Ledger(), Script()
    webhooks = WebhookDelivery(
        seed=settings.seed,
        url=settings.webhook_url,
        app_secret=(settings.secret("app_secret") or "").encode(),
        policy=DeliveryPolicy(batch_window=profile.batch_window, batch_size=profile.batch_size),
    )
    cloud_api = CloudApi(
        seed=settings.seed,
        profile=profile,
        access_token=(settings.secret("access_token") or "").encode(),
        ledger=ledger,
        script=script,
        webhooks=webhooks,
        closing=closing,
    )
    inspection_api = InspectionApi(
        ledger=ledger,
        script=script,
        webhooks=webhooks,
        webhook_url=settings.webhook_url,
        verify_token=settings.secret("verify_token"),
    )
    handler = route(cloud_api=cloud_api, inspection_api=inspection_api)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(webhooks.run(closed), name="simulator.webhooks")
        try:
            async with serving(handler, host=settings.host, port=settings.port, drain=DRAIN_SECONDS) as port:
                try:
                    yield port
                finally:
                    closing.set()
        finally:
            closed.set()


async def serve(settings: SimulatorSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as port:
        log.info("simulator.listening", host=settings.host, port=port)
        await stop.wait()
        log.info("simulator.stopping")
    log.info("simulator.stopped")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the process; returns its exit code: 0 after a signal, 1 if it cannot serve, 2 for bad settings."""
    argparse.ArgumentParser(
        prog="simulator",
        description="Stand in for the WhatsApp Cloud API. Configured by WHATLEAD_SIMULATOR_* variables.",
    ).parse_args(argv)
    renderer = structlog.dev.ConsoleRenderer() if sys.stdout.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    try:
        settings = SimulatorSettings()
    except ValidationError as error:
        print(explain(error), file=sys.stderr)  # noqa: T201 - before there is a log
        return 2
    code = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except* OSError as errors:
        log.error("simulator.cannot_serve", listen=settings.listen, errors=[str(e) for e in errors.exceptions])
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
