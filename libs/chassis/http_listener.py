"""The plain HTTP listener of a process: metrics, health and what a service adds. Knows no gRPC."""

from collections.abc import Callable, Sequence

import prometheus_client
from aiohttp import web

from chassis.settings import split_address
from kernel.errors import Failure, Kind

_MAX_BODY = 4 * 1024 * 1024


class HttpListener:
    """Serves `/metrics`, `/healthz` (200 while `healthy`, else 503) and `routes`, with `grace` seconds at the stop."""

    def __init__(self, routes: Sequence[web.RouteDef], healthy: Callable[[], bool], grace: float) -> None:
        application = web.Application(client_max_size=_MAX_BODY)
        application.add_routes([web.get("/metrics", _metrics), web.get("/healthz", self._health), *routes])
        self._healthy = healthy
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=grace)

    async def start(self, address: str) -> int:
        """Listen. Returns the port."""
        host, port = split_address(address)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise Failure(
                Kind.FAILED_PRECONDITION, "WRONG_STATE", f"cannot listen at {address}: {error.strerror}"
            ) from None
        bound: int = self._runner.addresses[0][1]
        return bound

    async def stop(self) -> None:
        """Finish what is under way and close."""
        await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="serving\n") if self._healthy() else web.Response(status=503, text="stopping\n")


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(
        body=prometheus_client.generate_latest(), headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
    )
