"""MetricsService over real gRPC: the numbers, their bounds, and who may see whose."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.serving import RunningServer
from tests.stores.audit.facts import about, message, stamp

from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2, metrics_pb2
from whatlead.audit.v1.event_pb2_grpc import EventServiceStub
from whatlead.audit.v1.metrics_pb2_grpc import MetricsServiceStub


def metrics_of(audit: RunningServer, role: str = "owner", organization_id: str = "acme") -> MetricsServiceStub:
    return MetricsServiceStub(audit.public_channel(role=role, organization_id=organization_id))


@pytest.fixture
async def busy(audit: RunningServer) -> datetime:
    """Two instances that sent, one that was blocked and cooled down."""
    at = datetime.now(UTC) - timedelta(seconds=1)
    executor = EventServiceStub(audit.internal_channel(service="executor"))
    gate = EventServiceStub(audit.internal_channel(service="gate"))

    def sent(instance_id: str, took: float) -> bytes:
        attempt = event_pb2.AttemptDetail(
            approved_at=stamp(at - timedelta(seconds=took)), submitted_at=stamp(at - timedelta(seconds=2 * took))
        )
        return about(str(uuid7()), 1, "MESSAGE_SENT", at=at, instance_id=instance_id, attempt=attempt)

    def decided(kind: str, instance_id: str, limit: str, used: float, reason: str = "") -> bytes:
        decision = event_pb2.DecisionDetail(tightest_limit=limit, tightest_used=used, tightest_max=60)
        return about(str(uuid7()), 1, kind, at=at, instance_id=instance_id, reason=reason, decision=decision)

    await executor.RecordEvents(
        event_pb2.RecordEventsRequest(events=[sent("inst-1", 1), sent("inst-1", 3), sent("inst-2", 2)])
    )
    cooldown = message(
        "INSTANCE_COOLDOWN_STARTED",
        at=at,
        aggregate_type=event_pb2.AGGREGATE_TYPE_INSTANCE,
        aggregate_id="inst-2",
        instance_id="inst-2",
        sequence=0,
    )
    blocked = [decided("MESSAGE_BLOCKED", "inst-2", "DAILY_CAP", 10, "OPTED_OUT") for _ in range(2)]
    await gate.RecordEvents(
        event_pb2.RecordEventsRequest(
            events=[
                decided("MESSAGE_APPROVED", "inst-1", "HOURLY_CAP", 45),
                *blocked,
                decided("MESSAGE_QUEUED", "inst-1", "HOURLY_CAP", 30, "PACE"),
                cooldown.SerializeToString(),
            ]
        )
    )
    return at


async def test_metrics_of_an_instance(audit: RunningServer, busy: datetime) -> None:
    before = datetime.now(UTC)
    answer = await metrics_of(audit).GetInstanceMetrics(
        metrics_pb2.GetInstanceMetricsRequest(instance_id="inst-1", window_minutes=60)
    )
    start, end = (getattr(answer.window, name).ToDatetime(tzinfo=UTC) for name in ("start_time", "end_time"))
    assert before <= end <= datetime.now(UTC)
    assert (start.second, start.microsecond) == (0, 0)
    assert timedelta(minutes=60) <= end - start < timedelta(minutes=61)
    assert (answer.volume.sent.total, answer.volume.approved.total, answer.volume.queued.total) == (2, 1, 1)
    assert answer.volume.sent.per_hour == pytest.approx(2 * 3600 / (end - start).total_seconds())
    assert answer.volume.failed.total == answer.volume.blocked.total == 0
    assert [(one.reason, one.total) for one in answer.queued_by_reason] == [("PACE", 1)]
    assert (answer.from_approval.count, answer.from_approval.average.ToTimedelta()) == (2, timedelta(seconds=2))
    assert answer.from_submission.average.ToTimedelta() == timedelta(seconds=4)
    assert (answer.saturation.limit, answer.saturation.used, answer.saturation.ratio) == ("HOURLY_CAP", 45, 0.75)
    assert answer.cooldowns_triggered == 0


async def test_metrics_of_the_organization(audit: RunningServer, busy: datetime) -> None:
    answer = await metrics_of(audit, "admin").GetOrganizationMetrics(
        metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60)
    )
    assert answer.organization_id == "acme"
    assert (answer.volume.sent.total, answer.volume.blocked.total, answer.cooldowns_triggered) == (3, 2, 1)
    assert [(one.reason, one.total) for one in answer.blocked_by_reason] == [("OPTED_OUT", 2)]
    assert [(one.instance_id, one.sent, round(one.share, 3)) for one in answer.instances] == [
        ("inst-1", 2, 0.667),
        ("inst-2", 1, 0.333),
    ]
    assert (answer.saturation.used, answer.saturation.max, answer.saturation.limit) == (55, 120, "HOURLY_CAP")
    assert answer.most_saturated_instance_id == "inst-1"


async def test_a_campaign_can_be_looked_at_alone(audit: RunningServer, busy: datetime) -> None:
    for campaign_id, expected in [("black-friday", 3), ("nobody's", 0)]:
        answer = await metrics_of(audit).GetOrganizationMetrics(
            metrics_pb2.GetOrganizationMetricsRequest(window_minutes=1, campaign_id=campaign_id)
        )
        assert answer.volume.sent.total == expected


async def test_another_organization_sees_nothing_of_it(audit: RunningServer, busy: datetime) -> None:
    metrics = metrics_of(audit, organization_id="other")
    instance = await metrics.GetInstanceMetrics(
        metrics_pb2.GetInstanceMetricsRequest(instance_id="inst-1", window_minutes=60)
    )
    organization = await metrics.GetOrganizationMetrics(metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60))
    assert instance.volume.sent.total == organization.volume.sent.total == 0
    assert not organization.instances


async def test_only_the_platform_names_another_organization(audit: RunningServer, busy: datetime) -> None:
    request = metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60, organization_id="acme")
    with pytest.raises(Failure) as caught:
        await metrics_of(audit, organization_id="other").GetOrganizationMetrics(request)
    assert (caught.value.kind, caught.value.reason) == (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")
    assert (await metrics_of(audit).GetOrganizationMetrics(request)).volume.sent.total == 3
    platform = metrics_of(audit, "platform", "operators")
    assert (await platform.GetOrganizationMetrics(request)).volume.sent.total == 3


async def test_a_member_is_denied(audit: RunningServer) -> None:
    member = metrics_of(audit, "member")
    calls = [
        member.GetInstanceMetrics(metrics_pb2.GetInstanceMetricsRequest(instance_id="inst-1", window_minutes=60)),
        member.GetOrganizationMetrics(metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60)),
        member.GetMetricsSeries(metrics_pb2.GetMetricsSeriesRequest(window_minutes=60, step_minutes=1)),
        member.GetMetricsBreakdown(metrics_pb2.GetMetricsBreakdownRequest(window_minutes=60, by="BREAKDOWN_CAMPAIGN")),
    ]
    for call in calls:
        with pytest.raises(Failure) as caught:
            await call
        assert (caught.value.kind, caught.value.reason) == (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"instance_id": "", "window_minutes": 0}, ["instance_id", "window_minutes"]),
        ({"instance_id": "x" * 65, "window_minutes": 44_641}, ["instance_id", "window_minutes"]),
        ({"instance_id": "a\0", "window_minutes": 1}, ["instance_id"]),
    ],
)
async def test_every_bad_field_is_named(audit: RunningServer, fields: dict[str, object], bad: list[str]) -> None:
    with pytest.raises(Failure) as caught:
        await metrics_of(audit).GetInstanceMetrics(metrics_pb2.GetInstanceMetricsRequest(**fields))  # type: ignore[arg-type]
    assert caught.value.kind is Kind.INVALID_ARGUMENT
    assert sorted(violation.field for violation in caught.value.violations) == bad


@pytest.mark.parametrize("minutes", [1, 44_640])
async def test_the_shortest_and_the_longest_window(audit: RunningServer, busy: datetime, minutes: int) -> None:
    answer = await metrics_of(audit).GetOrganizationMetrics(
        metrics_pb2.GetOrganizationMetricsRequest(window_minutes=minutes)
    )
    assert answer.volume.sent.total == 3


async def test_the_percentiles_of_the_time_to_send(audit: RunningServer, busy: datetime) -> None:
    answer = await metrics_of(audit).GetOrganizationMetrics(
        metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60)
    )
    for times, seconds in [(answer.from_approval, [2, 3, 3]), (answer.from_submission, [4, 6, 6])]:
        found = [getattr(times, name).ToTimedelta().total_seconds() for name in ("p50", "p95", "p99")]
        assert found == pytest.approx(seconds, rel=0.02)


async def test_a_series_has_points_of_the_step_with_their_bounds(audit: RunningServer, busy: datetime) -> None:
    answer = await metrics_of(audit).GetMetricsSeries(
        metrics_pb2.GetMetricsSeriesRequest(window_minutes=60, step_minutes=5, instance_id="inst-1")
    )
    assert 13 <= len(answer.points) <= 14
    bounds = [(one.window.start_time.ToDatetime(UTC), one.window.end_time.ToDatetime(UTC)) for one in answer.points]
    assert {end - start for start, end in bounds[:-1]} == {timedelta(minutes=5)}
    with_sends = [one for one in answer.points if one.volume.sent.total]
    assert sum(one.volume.sent.total for one in with_sends) == 2
    assert with_sends[-1].from_approval.p50.ToTimedelta().total_seconds() == pytest.approx(1, rel=0.02)


async def test_a_breakdown_has_everything_of_each_part(audit: RunningServer, busy: datetime) -> None:
    async def parts(by: str) -> list[metrics_pb2.MetricsPart]:
        request = metrics_pb2.GetMetricsBreakdownRequest(window_minutes=5, by=by)  # type: ignore[arg-type]
        return list((await metrics_of(audit).GetMetricsBreakdown(request)).parts)

    first, second = await parts("BREAKDOWN_INSTANCE")
    assert [(one.id, one.volume.sent.total) for one in (first, second)] == [("inst-1", 2), ("inst-2", 1)]
    assert (first.saturation.limit, first.saturation.ratio) == ("HOURLY_CAP", 0.75)
    assert (second.volume.blocked.total, second.cooldowns_triggered) == (2, 1)
    (campaign,) = await parts("BREAKDOWN_CAMPAIGN")
    assert (campaign.id, campaign.volume.sent.total, campaign.from_approval.count) == ("black-friday", 3, 3)


async def test_a_series_of_too_many_points_says_what_to_ask_for(audit: RunningServer) -> None:
    with pytest.raises(Failure, match="use 23 or more") as caught:
        await metrics_of(audit).GetMetricsSeries(
            metrics_pb2.GetMetricsSeriesRequest(window_minutes=44_640, step_minutes=1)
        )
    assert caught.value.kind is Kind.INVALID_ARGUMENT
