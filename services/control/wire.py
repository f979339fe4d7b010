"""Control's words and those of its contract, in both directions. Decides nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime

from chassis import identity
from control.application.checking import Verdicts
from control.application.pausing import Wait
from control.application.ports import Seen
from control.application.watching import Beat, Changed, Live, Message
from control.domain.authority import Caller, Peer, Requester, Role, Wish
from control.domain.coverage import Sending, ends_at
from control.domain.pace import FULL, Pace
from control.domain.pause import PLATFORM, Pause, Scope, Source, State
from control.domain.work import BlastRadius, Work
from control.infrastructure.events import timestamp
from control.wire_resuming import resumption_message
from kernel.errors import Violation, invalid
from kernel.ids import OrganizationId
from whatlead.control.v1 import control_pb2

SCOPES = {
    control_pb2.SCOPE_INSTANCE: Scope.INSTANCE,
    control_pb2.SCOPE_CAMPAIGN: Scope.CAMPAIGN,
    control_pb2.SCOPE_ORGANIZATION: Scope.ORGANIZATION,
    control_pb2.SCOPE_PLATFORM: Scope.PLATFORM,
}
SOURCES = {
    control_pb2.SOURCE_MANUAL: Source.MANUAL,
    control_pb2.SOURCE_AUTO: Source.AUTO,
    control_pb2.SOURCE_PROVIDER: Source.PROVIDER,
    control_pb2.SOURCE_PLATFORM: Source.PLATFORM,
}
STATES = {
    control_pb2.CONTROL_STATE_PAUSING: State.PAUSING,
    control_pb2.CONTROL_STATE_FENCED: State.FENCED,
    control_pb2.CONTROL_STATE_RESUMED: State.RESUMED,
    control_pb2.CONTROL_STATE_EXPIRED: State.EXPIRED,
}
WAITS = {
    control_pb2.PAUSE_WAIT_UNSPECIFIED: Wait.FENCED,
    control_pb2.PAUSE_WAIT_FENCED: Wait.FENCED,
    control_pb2.PAUSE_WAIT_COMMITTED: Wait.COMMITTED,
}
_SCOPES_OUT = {scope: number for number, scope in SCOPES.items()}
_SOURCES_OUT = {source: number for number, source in SOURCES.items()}
_STATES_OUT = {state: number for number, state in STATES.items()}


def requester_of(who: identity.Identity) -> Requester:
    """Return who asks, as the domain knows them."""
    if isinstance(who, identity.Peer):
        return Peer(service=who.service)
    return caller_of(who)


def caller_of(who: identity.Caller) -> Caller:
    """Return the person or backend that asks, as the domain knows it."""
    return Caller(subject=who.subject, organization_id=OrganizationId(who.organization_id), role=Role(who.role.value))


def wish_of(request: control_pb2.PauseRequest) -> Wish:
    """Return the pause that is asked for. Raises Failure INVALID_ARGUMENT for a reason of blanks."""
    if not request.reason.strip():
        raise invalid(Violation(field="reason", description="must say why"))
    return Wish(
        request_id=request.request_id,
        scope=SCOPES[request.scope],
        target=request.target,
        reason=request.reason,
        paused_until=_moment(request) if request.HasField("paused_until") else None,
        organization_id=request.organization_id,
        source=SOURCES.get(request.source),
    )


def seen_control(seen: Seen) -> control_pb2.ExecutionControl:
    """Return a pause as callers see it, with what Resume asks for."""
    control = control_of(seen.pause, seen.at)
    control.etag = str(seen.etag)
    return control


def control_of(pause: Pause, at: datetime) -> control_pb2.ExecutionControl:
    """Return a pause as callers see it at `at`."""
    order, ending = pause.order, pause.ending
    control = control_pb2.ExecutionControl(
        control_id=str(pause.control_id),
        organization_id=order.organization_id,
        scope=_SCOPES_OUT[order.scope],
        target=order.target,
        reason=order.reason,
        paused_by=order.paused_by,
        source=_SOURCES_OUT[order.source],
        state=_STATES_OUT[pause.state],
        version=pause.version,
        create_time=timestamp(pause.created_at),
    )
    if order.paused_until is not None:
        control.paused_until.CopyFrom(timestamp(order.paused_until))
    if pause.fenced_at is not None:
        control.fenced_at.CopyFrom(timestamp(pause.fenced_at))
    if ending is not None:
        control.ended_at.CopyFrom(timestamp(ending.at))
        control.ended_by = ending.by
        control.end_reason = ending.reason
        if ending.resumption is not None:
            control.resumption.CopyFrom(resumption_message(ending.resumption, at))
    return control


def preview_response(radius: BlastRadius) -> control_pb2.PauseResponse:
    """Return what a pause would stop."""
    return control_pb2.PauseResponse(
        blast_radius=control_pb2.BlastRadius(
            total=_work(radius.total),
            campaigns=[
                control_pb2.CampaignWork(organization_id=organization_id, campaign_id=campaign_id, work=_work(work))
                for organization_id, campaign_id, work in radius.campaigns
            ],
            instances=[
                control_pb2.InstanceWork(organization_id=organization_id, instance_id=instance_id, work=_work(work))
                for organization_id, instance_id, work in radius.instances
            ],
        )
    )


def _work(work: Work) -> control_pb2.WorkCount:
    return control_pb2.WorkCount(intents=work.intents, jobs=work.jobs, in_flight=work.in_flight)


def watch_message(message: Message) -> control_pb2.WatchExecutionControlsResponse:
    """Return one message of the stream."""
    match message:
        case Live(pauses=pauses):
            snapshot = control_pb2.ExecutionControlSnapshot(
                controls=[control_of(pause, pause.changed_at) for pause in pauses]
            )
            return control_pb2.WatchExecutionControlsResponse(snapshot=snapshot)
        case Changed(pause=pause):
            return control_pb2.WatchExecutionControlsResponse(change=control_of(pause, pause.changed_at))
        case Beat(at=at):
            return control_pb2.WatchExecutionControlsResponse(heartbeat=control_pb2.WatchHeartbeat(at=timestamp(at)))


def check_response(sendings: Sequence[Sending], verdicts: Verdicts) -> control_pb2.CheckExecutionsResponse:
    """Return the answers in the order of the questions."""
    versions = verdicts.snapshot.versions
    at_full_pace = {
        organization_id: _allowed(FULL, versions.get(organization_id, 0))
        for organization_id in {sending.organization_id for sending in sendings}
    }
    answers: list[control_pb2.ScopeAnswer] = []
    for sending, covering, pace in zip(sendings, verdicts.covering, verdicts.paces, strict=True):
        version = versions.get(sending.organization_id, 0)
        if covering:
            answers.append(_paused(covering, version))
        else:
            answers.append(at_full_pace[sending.organization_id] if pace is FULL else _allowed(pace, version))
    response = control_pb2.CheckExecutionsResponse(answers=answers, platform_version=versions.get(PLATFORM, 0))
    response.ttl.FromTimedelta(verdicts.ttl)
    return response


def _allowed(pace: Pace, version: int) -> control_pb2.ScopeAnswer:
    allowed = control_pb2.Allowed(rate_factor=pace.rate_factor)
    if pace.canary is not None:
        limit = control_pb2.CanaryLimit(control_id=str(pace.canary.control_id), sends=pace.canary.sends)
        allowed.canary.CopyFrom(limit)
    return control_pb2.ScopeAnswer(allowed=allowed, organization_version=version)


def _paused(covering: Sequence[Pause], version: int) -> control_pb2.ScopeAnswer:
    first = covering[0].order
    paused = control_pb2.Paused(
        control_ids=[str(pause.control_id) for pause in covering],
        reason=first.reason,
        source=_SOURCES_OUT[first.source],
        paused_by=first.paused_by,
    )
    if (until := ends_at(covering)) is not None:
        paused.paused_until.CopyFrom(timestamp(until))
    return control_pb2.ScopeAnswer(paused=paused, organization_version=version)


def _moment(request: control_pb2.PauseRequest) -> datetime:
    return request.paused_until.ToDatetime(tzinfo=UTC)
