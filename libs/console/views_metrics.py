"""How numbers look as tables for people. Makes no calls."""

from rich.table import Table

from console.output import table
from console.views import moment, seconds
from whatlead.audit.v1 import metrics_pb2

_TIMES = ("average", "p50", "p95", "p99")
_BAR = 24


def volume_rows(volume: metrics_pb2.Volume) -> list[tuple[str, int, str]]:
    """One line a kind of event: total and per hour."""
    return [
        (field.name, getattr(volume, field.name).total, f"{getattr(volume, field.name).per_hour:,.1f}")
        for field in metrics_pb2.Volume.DESCRIPTOR.fields
    ]


def lasted(times: metrics_pb2.TimeToSend, name: str) -> str:
    """Return one of the times, or `-` where nothing was measured."""
    return seconds(getattr(times, name)) if times.count else "-"


def saturation(reading: metrics_pb2.Saturation) -> str:
    """Return how near the limit came to its end, and which it is."""
    return f"{reading.ratio:.0%} of {reading.limit}" if reading.limit else "no limit applies"


def metrics_tables(
    title: str, metrics: metrics_pb2.GetInstanceMetricsResponse | metrics_pb2.GetOrganizationMetricsResponse
) -> list[Table]:
    """Volume, reasons, times and saturation; for an organization also its instances and backlog."""
    window = f"{moment(metrics.window.start_time)} to {moment(metrics.window.end_time)}"
    reasons = [
        (kind, reason.reason, reason.total)
        for kind, counts in (
            ("blocked", metrics.blocked_by_reason),
            ("queued", metrics.queued_by_reason),
            ("failed", metrics.failed_by_reason),
        )
        for reason in counts
    ]
    times = [
        (since, took.count, *(lasted(took, name) for name in _TIMES))
        for since, took in (("approval", metrics.from_approval), ("submission", metrics.from_submission))
    ]
    facts = [
        ("cooldowns triggered", metrics.cooldowns_triggered),
        ("saturation", saturation(metrics.saturation)),
    ]
    tables = [
        table(f"{title}, {window}", ("messages", "total", "per hour"), volume_rows(metrics.volume)),
        table("reasons", ("", "reason", "total"), reasons),
        table("time to send", ("since", "messages", *_TIMES), times),
        table("", ("", ""), facts),
    ]
    if isinstance(metrics, metrics_pb2.GetOrganizationMetricsResponse):
        shares = [
            (one.instance_id or "-", one.sent, f"{one.share:.1%}", saturation(one.saturation))
            for one in metrics.instances
            if one.sent
        ]
        backlog = [
            (one.producer, one.waiting, seconds(one.oldest_age) if one.HasField("oldest_age") else "none is due")
            for one in metrics.backlogs
        ]
        tables += [
            table("instances", ("instance", "sent", "share", "saturation"), shares),
            table("backlog", ("waits in", "messages", "oldest"), backlog),
        ]
    return tables


def series_table(series: metrics_pb2.GetMetricsSeriesResponse) -> Table:
    """One line a point, with a bar of what was sent."""
    most = max((point.volume.sent.total for point in series.points), default=0) or 1
    rows = [
        (
            moment(point.window.start_time),
            "█" * round(point.volume.sent.total / most * _BAR),
            point.volume.sent.total,
            point.volume.blocked.total,
            point.volume.failed.total,
            *(lasted(point.from_approval, name) for name in _TIMES[1:]),
        )
        for point in series.points
    ]
    return table("time to send is since approval", ("from", "", "sent", "blocked", "failed", *_TIMES[1:]), rows)
