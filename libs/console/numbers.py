"""The numbers as an operator has them: of a window, or as points in time. Calls the API and shows its answers."""

from google.protobuf.message import Message
from rich.table import Table

from console.connection import Clients
from console.output import show
from console.views_metrics import metrics_tables, series_table
from console.watching import watch
from whatlead.audit.v1 import metrics_pb2

_CALL_SECONDS = 30.0


async def metrics(
    clients: Clients, *, instance: str, campaign: str, window: int, step: int | None, watching: bool, as_json: bool
) -> None:
    """Show the numbers of the organization or of one instance, once or every 2 s."""

    async def look() -> tuple[Message, list[Table]]:
        if step is not None:
            series = metrics_pb2.GetMetricsSeriesRequest(
                window_minutes=window, step_minutes=step, instance_id=instance, campaign_id=campaign
            )
            points = await clients.metrics.GetMetricsSeries(series, timeout=_CALL_SECONDS)
            return points, [series_table(points)]
        if instance:
            of_one = metrics_pb2.GetInstanceMetricsRequest(
                instance_id=instance, campaign_id=campaign, window_minutes=window
            )
            one = await clients.metrics.GetInstanceMetrics(of_one, timeout=_CALL_SECONDS)
            return one, metrics_tables(instance, one)
        of_all = metrics_pb2.GetOrganizationMetricsRequest(campaign_id=campaign, window_minutes=window)
        whole = await clients.metrics.GetOrganizationMetrics(of_all, timeout=_CALL_SECONDS)
        return whole, metrics_tables("organization", whole)

    if watching:
        await watch(look, as_json=as_json)
    answer, tables = await look()
    show(answer, *tables, as_is=as_json)
