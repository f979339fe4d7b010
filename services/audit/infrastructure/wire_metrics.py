"""Write the numbers as the contract has them. Counts nothing."""

from collections.abc import Sequence

from audit.domain.arrival import Reading
from audit.domain.durations import Durations
from audit.domain.event import EventType
from audit.domain.metrics import InstanceMetrics, Numbers, OrganizationMetrics, Parts, Window
from audit.domain.series import Point
from audit.infrastructure.wire import span, stamp
from whatlead.audit.v1 import metrics_pb2

_VOLUME_FIELDS = {
    "approved": EventType.MESSAGE_APPROVED,
    "queued": EventType.MESSAGE_QUEUED,
    "blocked": EventType.MESSAGE_BLOCKED,
    "sent": EventType.MESSAGE_SENT,
    "failed": EventType.MESSAGE_FAILED,
    "retried": EventType.MESSAGE_RETRY_SCHEDULED,
    "held": EventType.MESSAGE_HELD,
    "unknown": EventType.MESSAGE_OUTCOME_UNKNOWN,
    "delivered": EventType.MESSAGE_DELIVERED,
    "read": EventType.MESSAGE_READ,
}


def instance_response(instance_id: str, metrics: InstanceMetrics) -> metrics_pb2.GetInstanceMetricsResponse:
    """Write the numbers of an instance."""
    response = metrics_pb2.GetInstanceMetricsResponse(
        window=_window(metrics.window), instance_id=instance_id, saturation=_saturation(metrics.saturation)
    )
    _fill(response, metrics.numbers, metrics.window)
    return response


def organization_response(
    organization_id: str, metrics: OrganizationMetrics
) -> metrics_pb2.GetOrganizationMetricsResponse:
    """Write the numbers of an organization."""
    response = metrics_pb2.GetOrganizationMetricsResponse(
        window=_window(metrics.window),
        organization_id=organization_id,
        saturation=_saturation(metrics.saturation),
        most_saturated_instance_id=metrics.most_saturated_instance_id,
        instances=[
            metrics_pb2.InstanceShare(
                instance_id=share.instance_id,
                sent=share.sent,
                share=share.share,
                saturation=_saturation(share.saturation),
            )
            for share in metrics.shares
        ],
        backlogs=[
            metrics_pb2.Backlog(
                producer=one.producer,
                waiting=one.waiting,
                oldest_age=None if one.oldest_age is None else span(one.oldest_age),
                measured_at=stamp(one.measured_at),
            )
            for one in metrics.backlogs
        ],
    )
    _fill(response, metrics.numbers, metrics.window)
    return response


def series_response(points: Sequence[Point]) -> metrics_pb2.GetMetricsSeriesResponse:
    """Write points in time."""
    return metrics_pb2.GetMetricsSeriesResponse(
        points=[
            metrics_pb2.MetricsPoint(
                window=_window(point.window),
                volume=_volume(point.numbers, point.window),
                from_approval=_time_to_send(point.numbers.from_approval),
                from_submission=_time_to_send(point.numbers.from_submission),
            )
            for point in points
        ]
    )


def breakdown_response(found: Parts) -> metrics_pb2.GetMetricsBreakdownResponse:
    """Write the numbers by instance or campaign."""
    return metrics_pb2.GetMetricsBreakdownResponse(
        window=_window(found.window),
        parts=[
            metrics_pb2.MetricsPart(
                id=part.id,
                volume=_volume(part.numbers, found.window),
                from_approval=_time_to_send(part.numbers.from_approval),
                from_submission=_time_to_send(part.numbers.from_submission),
                cooldowns_triggered=part.numbers.cooldowns_triggered,
                saturation=_saturation(part.saturation),
            )
            for part in found.parts
        ],
        total=found.total,
    )


def _fill(
    response: metrics_pb2.GetInstanceMetricsResponse | metrics_pb2.GetOrganizationMetricsResponse,
    numbers: Numbers,
    window: Window,
) -> None:
    response.volume.CopyFrom(_volume(numbers, window))
    response.blocked_by_reason.extend(_reasons(numbers.blocked_by_reason))
    response.queued_by_reason.extend(_reasons(numbers.queued_by_reason))
    response.failed_by_reason.extend(_reasons(numbers.failed_by_reason))
    response.from_approval.CopyFrom(_time_to_send(numbers.from_approval))
    response.from_submission.CopyFrom(_time_to_send(numbers.from_submission))
    response.cooldowns_triggered = numbers.cooldowns_triggered


def _volume(numbers: Numbers, window: Window) -> metrics_pb2.Volume:
    totals = {name: numbers.volume[event_type] for name, event_type in _VOLUME_FIELDS.items()}
    counts = {name: metrics_pb2.Count(total=total, per_hour=window.per_hour(total)) for name, total in totals.items()}
    return metrics_pb2.Volume(**counts)


def _window(window: Window) -> metrics_pb2.Window:
    return metrics_pb2.Window(start_time=stamp(window.start), end_time=stamp(window.end))


def _reasons(counted: tuple[tuple[str, int], ...]) -> list[metrics_pb2.ReasonCount]:
    return [metrics_pb2.ReasonCount(reason=reason, total=total) for reason, total in counted]


def _time_to_send(time: Durations) -> metrics_pb2.TimeToSend:
    return metrics_pb2.TimeToSend(
        count=time.count,
        average=span(time.average),
        p50=span(time.quantile(0.50)),
        p95=span(time.quantile(0.95)),
        p99=span(time.quantile(0.99)),
    )


def _saturation(reading: Reading | None) -> metrics_pb2.Saturation:
    if reading is None:
        return metrics_pb2.Saturation()
    return metrics_pb2.Saturation(limit=reading.limit, used=reading.used, max=reading.max, ratio=reading.ratio)
