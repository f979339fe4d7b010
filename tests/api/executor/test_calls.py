"""The executor's calls over real gRPC on a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tests.serving import RunningServer, running_process, settings_of
from tests.stores.executor.world import Told, until

from chassis.database import Database, Query
from chassis.outbox import Outbox
from executor.__main__ import assemble
from executor.infrastructure.control_client import GrpcControl
from executor.infrastructure.providers.noop import Noop
from executor.settings import ExecutorSettings
from kernel.clock import SystemClock
from kernel.errors import Failure, Kind
from kernel.ids import uuid7
from whatlead.control.v1 import control_pb2
from whatlead.executor.v1 import executor_pb2 as pb
from whatlead.executor.v1.executor_pb2_grpc import ExecutorServiceStub
from whatlead.gate.v1 import intent_pb2


@dataclass
class Running:
    """An executor process's worth of everything, with control in the test's hands."""

    server: RunningServer
    database: Database
    told: Told
    allowed: bool = True
    paused: control_pb2.ExecutionControl | None = None

    def gate(self) -> ExecutorServiceStub:
        return ExecutorServiceStub(self.server.internal_channel(service="gate"))

    def caller(self, role: str = "owner", organization_id: str = "demo") -> ExecutorServiceStub:
        return ExecutorServiceStub(self.server.public_channel(role=role, organization_id=organization_id))

    async def sql(self, statement: str) -> None:
        async with self.database.transaction() as tx:
            await tx.execute(Query.of("test", statement))


class ControlStub:
    """Control as its stub, without a wire."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def CheckExecutions(self, request: control_pb2.CheckExecutionsRequest, *, timeout: float) -> object:
        assert request.session_id
        answer = control_pb2.ScopeAnswer(organization_version=7)
        if self._running.allowed:
            answer.allowed.rate_factor = 1.0
        response = control_pb2.CheckExecutionsResponse(answers=[answer] * len(request.scopes), platform_version=4)
        response.ttl.FromMilliseconds(500)
        return response

    async def RegisterSession(self, request: object, *, timeout: float) -> None:
        return

    async def AcknowledgePauses(self, request: object, *, timeout: float) -> None:
        return

    async def EndSession(self, request: object, *, timeout: float) -> None:
        return

    async def WatchExecutionControls(
        self, request: object
    ) -> AsyncIterator[control_pb2.WatchExecutionControlsResponse]:
        yield control_pb2.WatchExecutionControlsResponse(snapshot=control_pb2.ExecutionControlSnapshot())
        await until(lambda: self._running.paused, seconds=120.0)
        yield control_pb2.WatchExecutionControlsResponse(change=self._running.paused)
        await asyncio.Event().wait()


@asynccontextmanager
async def executor(database: Database, url: str) -> AsyncIterator[Running]:
    told = Told()
    running = Running(server=None, database=database, told=told)  # type: ignore[arg-type]

    settings = settings_of("executor", ExecutorSettings, database_url=url, provider_override="noop")
    process = assemble(
        settings,
        database=database,
        outbox=Outbox(database, told.receivers()),
        control=GrpcControl([ControlStub(running)], timeout=1.0),  # type: ignore[list-item]
        providers={"noop": Noop()},
        clock=SystemClock(),
    )
    async with running_process(process) as server:
        running.server = server
        yield running


@pytest.fixture
async def running(databases) -> AsyncIterator[Running]:  # type: ignore[no-untyped-def]
    url = await databases.url("executor")
    async with executor(databases.connect(url), url) as found:
        yield found


LANE = pb.Lane(
    organization_id="demo", instance_id="inst-1", version=1, provider="whatsapp_cloud", provider_account="100001"
)


def moment(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return stamp


def approved(**values: object) -> pb.ApprovedIntent:
    usual: dict[str, object] = {
        "organization_id": "demo",
        "intent_id": str(uuid7()),
        "decision_number": 1,
        "sequence": 3,
        "instance_id": "inst-1",
        "campaign_id": "welcome",
        "category": intent_pb2.Category.CATEGORY_MARKETING,
        "recipient": "+5511987654321",
        "recipient_id": "r-1",
        "template": intent_pb2.Template(name="welcome"),
        "submitted_at": moment(-1),
        "approved_at": moment(0),
        "approved_until": moment(600),
        "expire_time": moment(86_400),
    }
    return pb.ApprovedIntent(**{**usual, **values})  # type: ignore[arg-type]


async def accept(running: Running, *items: pb.ApprovedIntent) -> pb.AcceptJobsResponse:
    response: pb.AcceptJobsResponse = await running.gate().AcceptJobs(pb.AcceptJobsRequest(lanes=[LANE], jobs=items))
    return response


async def state(running: Running, intent_id: str) -> str:
    response = await running.caller().GetJob(pb.GetJobRequest(intent_id=intent_id))
    return pb.JobState.Name(response.job.state).removeprefix("JOB_STATE_")


async def sent(running: Running, intent_id: str) -> None:
    async def is_sent() -> bool:
        return await state(running, intent_id) == "SENT"

    await until(is_sent)


async def test_an_approved_intent_goes_out_and_can_be_looked_at(running: Running) -> None:
    item = approved()
    assert not (await accept(running, item)).refusals
    await sent(running, item.intent_id)
    job = (await running.caller("member").GetJob(pb.GetJobRequest(intent_id=item.intent_id))).job
    (attempt,) = job.attempts
    assert attempt.outcome == pb.AttemptOutcome.ATTEMPT_OUTCOME_SENT
    assert (attempt.number, attempt.control_version, attempt.platform_version) == (1, 7, 4)
    assert attempt.provider_message_id == f"noop.{item.intent_id}.1"
    assert attempt.HasField("began_at")
    await until(lambda: running.told.types(UUID(item.intent_id)) == ["SEND_STARTED", "SENT"])


async def test_bad_items_are_refused_alone_and_by_field(running: Running) -> None:
    good = approved()
    bad = approved(intent_id="nonsense", recipient="", decision_number=0)
    bad.ClearField("approved_until")
    bad.ClearField("content")
    impossible = approved()
    impossible.expire_time.seconds = 2**62
    response = await accept(running, bad, good, impossible, approved(recipient="\0"))
    assert [refusal.item_id for refusal in response.refusals][:2] == ["nonsense", impossible.intent_id]
    assert len(response.refusals) == 3
    await sent(running, good.intent_id)


async def test_another_organization_s_job_is_not_found(running: Running) -> None:
    item = approved()
    await accept(running, item)
    for intent_id in (item.intent_id, str(uuid7())):
        with pytest.raises(Failure) as raised:
            await running.caller(organization_id="other").GetJob(pb.GetJobRequest(intent_id=intent_id))
        assert (raised.value.kind, raised.value.message) == (Kind.NOT_FOUND, "job not found")


async def test_lists_page_newest_first_within_filter_and_organization(running: Running) -> None:
    running.allowed = False
    items = [approved(campaign_id="a" if number % 2 else "b") for number in range(10)]
    await accept(running, *items, approved(organization_id="other"))
    caller = running.caller()
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListJobsRequest(page_size=2, campaign_id="a", page_token=token, state=pb.JobState.JOB_STATE_READY)
        page = await caller.ListJobs(request)
        seen += [job.intent_id for job in page.jobs]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted((item.intent_id for item in items if item.campaign_id == "a"), reverse=True)
    request = pb.ListJobsRequest(page_size=2, campaign_id="a")
    token = (await caller.ListJobs(request)).next_page_token
    with pytest.raises(Failure) as raised:
        await caller.ListJobs(pb.ListJobsRequest(page_size=2, campaign_id="b", page_token=token))
    assert raised.value.reason == "INVALID_PAGE_TOKEN"


async def test_cancel_tells_per_job_and_repeats_its_answer(running: Running) -> None:
    running.allowed = False
    waiting, unseen = approved(), str(uuid7())
    await accept(running, waiting)
    running.allowed = True
    gone = approved(instance_id="inst-2")
    await running.gate().AcceptJobs(
        pb.AcceptJobsRequest(
            lanes=[
                pb.Lane(organization_id="demo", instance_id="inst-2", version=1, provider="x", provider_account="2")
            ],
            jobs=[gone],
        )
    )
    await sent(running, gone.intent_id)
    running.allowed = False
    held = approved()
    await accept(running, held)
    request = pb.CancelJobsRequest(
        request_id="cj-1", reason="wrong", intent_ids=[held.intent_id, gone.intent_id, unseen], validate_only=True
    )
    caller = running.caller()
    canceled, too_late = (
        intent_pb2.CancelOutcome.CANCEL_OUTCOME_CANCELED,
        intent_pb2.CancelOutcome.CANCEL_OUTCOME_TOO_LATE,
    )
    dry = [result.outcome for result in (await caller.CancelJobs(request)).results]
    assert await state(running, held.intent_id) == "READY", "validate_only changes nothing"
    request.validate_only = False
    first = [result.outcome for result in (await caller.CancelJobs(request)).results]
    again = [result.outcome for result in (await caller.CancelJobs(request)).results]
    assert dry == first == again == [canceled, too_late, canceled]
    assert await state(running, held.intent_id) == "CANCELED"
    request.reason = "another"
    with pytest.raises(Failure) as raised:
        await caller.CancelJobs(request)
    assert (raised.value.kind, raised.value.reason) == (Kind.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    await accept(running, approved(intent_id=unseen))
    assert await state(running, unseen) == "CANCELED"


async def test_the_gate_cancels_for_the_organization_it_names_and_callers_only_for_their_own(running: Running) -> None:
    running.allowed = False
    item = approved()
    await accept(running, item)
    request = pb.CancelJobsRequest(request_id="g-1", reason="opted out", intent_ids=[item.intent_id])
    with pytest.raises(Failure) as raised:
        await running.gate().CancelJobs(request)
    assert raised.value.kind is Kind.INVALID_ARGUMENT
    await running.caller(organization_id="other").CancelJobs(request)
    assert await state(running, item.intent_id) == "READY"
    request.organization_id, request.actor = "demo", "ana"
    with pytest.raises(Failure):
        await running.caller(organization_id="other").CancelJobs(request)
    await running.gate().CancelJobs(request)
    assert await state(running, item.intent_id) == "CANCELED"
    await until(lambda: running.told.of(UUID(item.intent_id)))
    assert running.told.of(UUID(item.intent_id))[0].actor == "ana"


@pytest.mark.parametrize(
    ("resolution", "expected", "told"),
    [
        ("SENT", "SENT", ["OUTCOME_RESOLVED"]),
        ("NOT_SENT", "FAILED", ["OUTCOME_RESOLVED"]),
        ("RESEND", "RETURNED", ["OUTCOME_RESOLVED", "RETURNED"]),
    ],
)
async def test_an_unknown_outcome_is_settled_by_an_operator(
    running: Running, resolution: str, expected: str, told: list[str]
) -> None:
    item = approved()
    await accept(running, item)
    await sent(running, item.intent_id)
    request = pb.ResolveOutcomeRequest(
        request_id="ro-1",
        intent_id=item.intent_id,
        resolution=pb.Resolution.Value(f"RESOLUTION_{resolution}"),
        reason="asked the provider",
    )
    caller = running.caller("admin")
    with pytest.raises(Failure) as raised:
        await caller.ResolveOutcome(request)
    assert (raised.value.kind, raised.value.reason) == (Kind.FAILED_PRECONDITION, "WRONG_STATE")
    await running.sql("UPDATE job SET state = 'UNKNOWN'")
    await running.sql("UPDATE attempt SET outcome = 'UNKNOWN'")
    for _ in range(2):
        job = (await caller.ResolveOutcome(request)).job
        assert pb.JobState.Name(job.state) == f"JOB_STATE_{expected}"
    await until(lambda: running.told.types(UUID(item.intent_id))[2:] == told)
    resolved = running.told.of(UUID(item.intent_id))[2]
    assert (resolved.actor, resolved.delivery.resolution) == ("tester", resolution)
    if resolution == "RESEND":
        await until(lambda: running.told.returns)
        assert running.told.returns[0].sequence == 7


async def test_dead_jobs_go_back_to_the_gate_by_id_or_campaign(running: Running) -> None:
    running.allowed = False
    items = [approved() for _ in range(3)]
    await accept(running, *items)
    await running.sql("UPDATE job SET state = 'DEAD', next_attempt_at = NULL, attempt = 5, tries = 5, held_by = NULL")
    caller = running.caller()
    request = pb.RetryJobsRequest(request_id="rj-1", reason="back", intent_ids=[items[0].intent_id, str(uuid7())])
    assert list((await caller.RetryJobs(request)).intent_ids) == [items[0].intent_id]
    assert list((await caller.RetryJobs(request)).intent_ids) == [items[0].intent_id], "the same answer"
    by_campaign = pb.RetryJobsRequest(request_id="rj-2", reason="back", campaign_id="welcome")
    assert len((await caller.RetryJobs(by_campaign)).intent_ids) == 2
    await until(lambda: len(running.told.returns) == 3)
    assert {returned.reason for returned in running.told.returns} == {"RETRY_REQUESTED"}
    assert running.told.types(UUID(items[0].intent_id)) == ["RETRY_REQUESTED", "RETURNED"]
    with pytest.raises(Failure) as raised:
        await caller.RetryJobs(pb.RetryJobsRequest(request_id="rj-3", reason="back"))
    assert raised.value.kind is Kind.INVALID_ARGUMENT


@pytest.mark.parametrize("call", ["CancelJobs", "RetryJobs", "ResolveOutcome"])
async def test_members_may_look_and_not_change(running: Running, call: str) -> None:
    intent_id = str(uuid7())
    requests = {
        "CancelJobs": pb.CancelJobsRequest(request_id="x", reason="x", intent_ids=[intent_id]),
        "RetryJobs": pb.RetryJobsRequest(request_id="x", reason="x", intent_ids=[intent_id]),
        "ResolveOutcome": pb.ResolveOutcomeRequest(request_id="x", reason="x", intent_id=intent_id, resolution=1),  # type: ignore[arg-type]
    }
    with pytest.raises(Failure) as raised:
        await getattr(running.caller("member"), call)(requests[call])
    assert raised.value.kind is Kind.PERMISSION_DENIED


async def test_only_the_gate_hands_jobs_over(running: Running) -> None:
    for stub in (running.caller(), ExecutorServiceStub(running.server.internal_channel(service="audit"))):
        with pytest.raises(Failure) as raised:
            await stub.AcceptJobs(pb.AcceptJobsRequest(jobs=[approved()]))
        assert raised.value.kind in (Kind.PERMISSION_DENIED, Kind.UNAUTHENTICATED)


async def test_work_and_canaries_are_counted_for_control_alone(running: Running) -> None:
    running.allowed = False
    item = approved()
    await accept(running, item)
    control = ExecutorServiceStub(running.server.internal_channel(service="control"))
    (count,) = (await control.CountWork(pb.CountWorkRequest(organization_id="demo", campaign_id="welcome"))).counts
    assert (count.organization_id, count.instance_id, count.campaign_id) == ("demo", "inst-1", "welcome")
    assert (count.waiting, count.in_flight) == (1, 0)
    assert not (await control.CountWork(pb.CountWorkRequest(organization_id="other"))).counts
    canary = await control.CountCanary(pb.CountCanaryRequest(control_id=str(uuid7())))
    assert (canary.sends, canary.succeeded, canary.failed) == (0, 0, 0)
    with pytest.raises(Failure) as refused:
        await running.gate().CountWork(pb.CountWorkRequest())
    assert refused.value.kind is Kind.PERMISSION_DENIED
    with pytest.raises(Failure) as bad:
        await control.CountCanary(pb.CountCanaryRequest(control_id="nonsense"))
    assert bad.value.kind is Kind.INVALID_ARGUMENT


async def test_a_job_in_a_scope_known_to_be_paused_says_so_without_being_marked(running: Running) -> None:
    running.allowed = False
    running.paused = control_pb2.ExecutionControl(
        control_id=str(uuid7()),
        organization_id="demo",
        scope=control_pb2.SCOPE_CAMPAIGN,
        target="welcome",
        state=control_pb2.CONTROL_STATE_FENCED,
        version=3,
    )
    covered, other = approved(not_before=moment(60)), approved(campaign_id="other", not_before=moment(60))
    await accept(running, covered, other)
    caller = running.caller()

    async def told() -> bool:
        job = (await caller.GetJob(pb.GetJobRequest(intent_id=covered.intent_id))).job
        return bool(job.reason == "OPS_PAUSED")

    await until(told)
    jobs = (await caller.ListJobs(pb.ListJobsRequest())).jobs
    assert {job.intent_id: job.reason for job in jobs} == {covered.intent_id: "OPS_PAUSED", other.intent_id: ""}
