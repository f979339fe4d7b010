"""Who sends now, what stops them and what waits, by instance and campaign. Calls the API and shows its answers."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from console.connection import Clients
from console.output import on_terminal, show, table
from console.views import moment
from console.views_metrics import lasted, saturation
from console.watching import watch
from kernel.errors import Failure
from kernel.ids import uuid7
from whatlead.audit.v1 import metrics_pb2
from whatlead.control.v1 import control_pb2
from whatlead.gate.v1 import instance_pb2

_CALL_SECONDS = 30.0
_WINDOW_MINUTES = 1
_MOST = 1_000
_RATES = ("sent", "queued", "blocked", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the services answered."""

    instances: metrics_pb2.GetMetricsBreakdownResponse
    campaigns: metrics_pb2.GetMetricsBreakdownResponse
    numbers: Sequence[instance_pb2.Instance]
    pauses: Sequence[control_pb2.ExecutionControl]
    waiting: control_pb2.BlastRadius | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One instance or campaign."""

    id: str
    part: metrics_pb2.MetricsPart
    state: str
    waiting: int | None

    def per_minute(self, kind: str) -> float:
        """Return how many a minute, now."""
        count: metrics_pb2.Count = getattr(self.part.volume, kind)
        return round(count.per_hour / 60, 1)


async def top(clients: Clients, *, as_json: bool) -> None:
    """Show it every 2 s until canceled on a terminal, else once."""

    async def look() -> tuple[dict[str, object], list[Table]]:
        seen = await _see(clients)
        found = {"instances": instance_rows(seen), "campaigns": campaign_rows(seen)}
        fit = max(3, Console().height // 2 - 3)
        tables = [top_table(kind, rows[:fit]) for kind, rows in found.items()]
        return {kind: [_data(row) for row in rows] for kind, rows in found.items()}, tables

    if on_terminal() and not as_json:
        await watch(look, as_json=False)
    answer, _ = await look()
    show(answer, as_is=True)


def instance_rows(seen: Seen) -> list[Row]:
    """Return all instances that are registered, send or have work waiting, busiest first."""
    waiting = None if seen.waiting is None else {one.instance_id: one.work for one in seen.waiting.instances}
    states = {one.instance_id: _state_of(one) for one in seen.numbers}
    return _rows(seen, seen.instances.parts, control_pb2.SCOPE_INSTANCE, waiting, states)


def campaign_rows(seen: Seen) -> list[Row]:
    """Return all campaigns that send or have work waiting, busiest first."""
    waiting = None if seen.waiting is None else {one.campaign_id: one.work for one in seen.waiting.campaigns}
    return _rows(seen, seen.campaigns.parts, control_pb2.SCOPE_CAMPAIGN, waiting, {})


def top_table(kind: str, rows: Iterable[Row]) -> Table:
    """One line an instance or campaign; rates are of the last one to two minutes."""
    columns = (kind, *(f"{rate}/min" for rate in _RATES), "p95", "state", "saturation", "waiting")
    cells = [
        (
            row.id or "none yet",
            *(f"{row.per_minute(rate):,.1f}" for rate in _RATES),
            lasted(row.part.from_approval, "p95"),
            row.state,
            saturation(row.part.saturation),
            "?" if row.waiting is None else row.waiting,
        )
        for row in rows
    ]
    return table("", columns, cells)


def _rows(
    seen: Seen,
    parts: Sequence[metrics_pb2.MetricsPart],
    scope: "control_pb2.Scope.ValueType",
    waiting: Mapping[str, control_pb2.WorkCount] | None,
    states: Mapping[str, str],
) -> list[Row]:
    of = {part.id: part for part in parts}
    ids = {*of, *(waiting or {}), *states}
    rows = [
        Row(
            id=one,
            part=of.get(one, metrics_pb2.MetricsPart(id=one)),
            state=_paused(seen.pauses, scope, one) or states.get(one) or "active",
            waiting=None if waiting is None else _waits(waiting.get(one, control_pb2.WorkCount())),
        )
        for one in ids
    ]
    return sorted(rows, key=lambda row: (-row.part.volume.sent.total, -(row.waiting or 0), row.id))


def _waits(work: control_pb2.WorkCount) -> int:
    return work.intents + work.jobs


def _paused(pauses: Iterable[control_pb2.ExecutionControl], scope: "control_pb2.Scope.ValueType", target: str) -> str:
    wide = {control_pb2.SCOPE_ORGANIZATION, control_pb2.SCOPE_PLATFORM}
    covering = [one for one in pauses if one.scope in wide or (one.scope == scope and one.target == target)]
    return f"paused: {covering[0].reason}" if covering else ""


def _state_of(instance: instance_pb2.Instance) -> str:
    if instance.HasField("cooldown"):
        return f"cooldown until {moment(instance.cooldown.end_time)}: {instance.cooldown.reason}"
    return "disconnected" if instance.connection == instance_pb2.CONNECTION_DISCONNECTED else ""


def _data(row: Row) -> dict[str, Any]:
    limits = row.part.saturation
    return {
        "id": row.id,
        **{f"{rate}_per_minute": row.per_minute(rate) for rate in _RATES},
        "p95_seconds": row.part.from_approval.p95.ToTimedelta().total_seconds(),
        "state": row.state,
        "saturation": {"ratio": limits.ratio, "limit": limits.limit},
        "waiting": row.waiting,
    }


async def _see(clients: Clients) -> Seen:
    def parts(by: "metrics_pb2.Breakdown.ValueType") -> Any:
        request = metrics_pb2.GetMetricsBreakdownRequest(window_minutes=_WINDOW_MINUTES, by=by, limit=_MOST)
        return clients.metrics.GetMetricsBreakdown(request, timeout=_CALL_SECONDS)

    live = control_pb2.ListExecutionControlsRequest(live_only=True, page_size=_MOST)
    instances, campaigns, numbers, pauses, waiting = await asyncio.gather(
        parts(metrics_pb2.BREAKDOWN_INSTANCE),
        parts(metrics_pb2.BREAKDOWN_CAMPAIGN),
        clients.instances.ListInstances(instance_pb2.ListInstancesRequest(page_size=_MOST), timeout=_CALL_SECONDS),
        clients.control.ListExecutionControls(live, timeout=_CALL_SECONDS),
        _preview(clients),
    )
    return Seen(
        instances=instances,
        campaigns=campaigns,
        numbers=numbers.instances,
        pauses=pauses.controls,
        waiting=waiting,
    )


async def _preview(clients: Clients) -> control_pb2.BlastRadius | None:
    """Ask what a pause of all would stop, which is what waits; none where gate and executor cannot be asked."""
    request = control_pb2.PauseRequest(
        request_id=str(uuid7()), scope=control_pb2.SCOPE_ORGANIZATION, reason="what waits", validate_only=True
    )
    try:
        return (await clients.control.Pause(request, timeout=_CALL_SECONDS)).blast_radius
    except Failure:
        return None
