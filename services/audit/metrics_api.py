"""Answer calls about numbers: translate, ask the use case, translate back. Counts nothing and knows no table."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc

from audit.application.measure import Breakdown
from audit.domain.metrics import InstanceMetrics, OrganizationMetrics, Parts
from audit.domain.series import Point, Steps
from audit.infrastructure.wire import no_zero_bytes
from audit.infrastructure.wire_metrics import (
    breakdown_response,
    instance_response,
    organization_response,
    series_response,
)
from chassis.identity import Role, current_caller
from kernel.errors import Failure, Kind, Violation, invalid
from whatlead.audit.v1 import metrics_pb2, metrics_pb2_grpc

DEFAULT_PARTS = 50

_BREAKDOWNS = {metrics_pb2.Breakdown.Value(f"BREAKDOWN_{one.value}"): one for one in Breakdown}

Context = grpc.aio.ServicerContext[Any, Any]


class MetricsApi(metrics_pb2_grpc.MetricsServiceServicer):
    """MetricsService."""

    def __init__(
        self,
        *,
        measure_instance: Callable[..., Awaitable[InstanceMetrics]],
        measure_organization: Callable[..., Awaitable[OrganizationMetrics]],
        measure_series: Callable[..., Awaitable[Sequence[Point]]],
        measure_parts: Callable[..., Awaitable[Parts]],
    ) -> None:
        self._measure_instance = measure_instance
        self._measure_organization = measure_organization
        self._measure_series = measure_series
        self._measure_parts = measure_parts

    async def GetInstanceMetrics(  # noqa: N802
        self, request: metrics_pb2.GetInstanceMetricsRequest, context: Context
    ) -> metrics_pb2.GetInstanceMetricsResponse:
        """Count what happened to one instance of the caller's organization."""
        no_zero_bytes(instance_id=request.instance_id, campaign_id=request.campaign_id)
        metrics = await self._measure_instance(
            organization_id=current_caller().organization_id,
            instance_id=request.instance_id,
            campaign_id=request.campaign_id,
            minutes=request.window_minutes,
        )
        return instance_response(request.instance_id, metrics)

    async def GetOrganizationMetrics(  # noqa: N802
        self, request: metrics_pb2.GetOrganizationMetricsRequest, context: Context
    ) -> metrics_pb2.GetOrganizationMetricsResponse:
        """Count what happened in the caller's organization, or in a named one for the platform role."""
        no_zero_bytes(organization_id=request.organization_id, campaign_id=request.campaign_id)
        organization_id = _measured_organization(request.organization_id)
        metrics = await self._measure_organization(
            organization_id=organization_id, campaign_id=request.campaign_id, minutes=request.window_minutes
        )
        return organization_response(organization_id, metrics)

    async def GetMetricsSeries(  # noqa: N802
        self, request: metrics_pb2.GetMetricsSeriesRequest, context: Context
    ) -> metrics_pb2.GetMetricsSeriesResponse:
        """Count what happened in the caller's organization, point by point."""
        no_zero_bytes(instance_id=request.instance_id, campaign_id=request.campaign_id)
        points = await self._measure_series(
            organization_id=current_caller().organization_id,
            instance_id=request.instance_id,
            campaign_id=request.campaign_id,
            steps=Steps(window=request.window_minutes, step=request.step_minutes),
        )
        return series_response(points)

    async def GetMetricsBreakdown(  # noqa: N802
        self, request: metrics_pb2.GetMetricsBreakdownRequest, context: Context
    ) -> metrics_pb2.GetMetricsBreakdownResponse:
        """Count what happened in the caller's organization, by instance or campaign."""
        found = await self._measure_parts(
            organization_id=current_caller().organization_id,
            by=_BREAKDOWNS[request.by],
            minutes=request.window_minutes,
            most=request.limit or DEFAULT_PARTS,
        )
        return breakdown_response(found)


def _measured_organization(named: str) -> str:
    caller = current_caller()
    if named and named != caller.organization_id and caller.role is not Role.PLATFORM:
        raise Failure(
            Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", f"role {caller.role} may not name another organization"
        )
    if not (named or caller.organization_id):
        raise invalid(Violation(field="organization_id", description="is needed with the platform role"))
    return named or caller.organization_id
