"""What engineers look at: one trace from submit to webhook, metrics on every service, logs with trace ids.

And what must never be in any of it: phone numbers.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.system.scenario import eventually, leads, organization, running

from console.ports import SERVICES

ROWS = 20
DOMAIN_METRICS = {
    "gate": "whatlead_gate_decisions",
    "executor": "whatlead_executor_attempts",
    "control": "whatlead_control_scopes_checked",
    "audit": "whatlead_audit_events_recorded",
}


@dataclass(slots=True)
class Collector:
    """An OTLP collector that keeps what it gets: spans by trace and service, and every body as it came."""

    spans: dict[str, dict[str, list[Span]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    bodies: list[bytes] = field(default_factory=list)

    async def traces(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans[span.trace_id.hex()][names["service.name"]].append(span)
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    async def metrics(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.Response(
            body=ExportMetricsServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        app = web.Application(client_max_size=16_000_000)
        app.add_routes([web.post("/v1/traces", self.traces), web.post("/v1/metrics", self.metrics)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield site.name
        finally:
            await runner.cleanup()


def log_lines(folder: Path) -> Iterable[str]:
    for path in (folder / "data" / "logs").glob("*.log"):
        yield from path.read_text(encoding="utf-8").splitlines()


async def test_one_trace_from_submit_to_webhook_and_no_number_anywhere(tmp_path: Path) -> None:
    collector = Collector()
    async with (
        collector.listening() as endpoint,
        running(tmp_path, WHATLEAD_OTLP_ENDPOINT=endpoint) as system,
        organization(system, "acme") as acme,
    ):
        batch = leads(ROWS)
        await acme.submit(batch)
        await eventually(acme.volume, lambda volume: volume.read.total == ROWS)

        async def whole() -> list[set[str]]:
            return [
                {f"{service}: {span.name}" for service, spans in trace.items() for span in spans}
                for trace in collector.spans.values()
            ]

        def submit_to_webhook(traces: list[set[str]]) -> bool:
            return any(
                any(name.startswith("gate:") and "SubmitIntents" in name for name in names)
                and any(name.startswith("executor:") and "send" in name for name in names)
                and any(name.startswith("executor:") and "status delivered" in name for name in names)
                for names in traces
            )

        await eventually(whole, submit_to_webhook, seconds=30)
        async with httpx.AsyncClient() as http:
            for service in SERVICES:
                text = (await http.get(f"http://127.0.0.1:{system.ports.http(service)}/metrics")).text
                assert "rpc_server_call_duration" in text, service
                assert DOMAIN_METRICS[service] in text, service

    lines = list(log_lines(tmp_path))
    calls = [json.loads(line) for line in lines if "rpc.method" in line or "SubmitIntents" in line]
    assert any(call.get("trace_id") for call in calls)
    digits = [lead.phone.removeprefix("+") for lead in batch]
    emitted = "\n".join([*lines, *(body.decode("latin-1") for body in collector.bodies)])
    assert [number for number in digits if number in emitted] == []
