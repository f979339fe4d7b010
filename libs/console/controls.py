"""The kill switch as an operator has it: preview, pause, resume, list. Calls the API and shows its answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from console.output import show
from console.views import controls_table, radius_tables
from kernel.errors import Failure
from kernel.ids import uuid7
from whatlead.control.v1 import control_pb2

if TYPE_CHECKING:
    from whatlead.control.v1.control_pb2_grpc import ControlServiceAsyncStub

_CALL_SECONDS = 30.0
_MOST_LISTED = 1000


class BadPlan(Exception):
    """Tell which options of a resume do not go together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """How to go on, as it was asked for on the command line; None is what was not given."""

    immediately: bool
    ramp_from: float | None
    ramp_over: float | None
    canary: int | None
    watch: float | None
    max_failures: float | None

    def __post_init__(self) -> None:
        ramps = self.ramp_from is not None or self.ramp_over is not None
        if sum((self.immediately, ramps, self.canary is not None)) > 1:
            raise BadPlan("choose one of --immediately, --ramp-from/--ramp-over, --canary")
        if self.canary is None and (self.watch is not None or self.max_failures is not None):
            raise BadPlan("--watch and --max-failures belong to --canary: say of how many sends")

    def set_on(self, request: control_pb2.ResumeRequest) -> None:
        """Ask for it; what was not given is left to the service."""
        if self.immediately:
            request.immediate.SetInParent()
        elif self.canary is not None:
            request.canary.sends = self.canary
            request.canary.max_failure_share = self.max_failures or 0.0
            if self.watch is not None:
                request.canary.watch.FromTimedelta(timedelta(seconds=self.watch))
        else:
            request.ramp.from_share = self.ramp_from or 0.0
            if self.ramp_over is not None:
                request.ramp.duration.FromTimedelta(timedelta(seconds=self.ramp_over))


async def pause(
    control: "ControlServiceAsyncStub",
    *,
    campaign: str,
    instance: str,
    reason: str,
    until: datetime | None,
    wait: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Pause one scope, or show what that would stop."""
    scope = (
        control_pb2.SCOPE_CAMPAIGN
        if campaign
        else control_pb2.SCOPE_INSTANCE
        if instance
        else control_pb2.SCOPE_ORGANIZATION
    )
    request = control_pb2.PauseRequest(
        request_id=str(uuid7()),
        scope=scope,
        target=campaign or instance,
        reason=reason,
        wait=control_pb2.PAUSE_WAIT_FENCED if wait else control_pb2.PAUSE_WAIT_COMMITTED,
        validate_only=dry_run,
    )
    if until:
        request.paused_until.FromDatetime(until.astimezone())
    answer = await control.Pause(request, timeout=_CALL_SECONDS)
    tables = radius_tables(answer.blast_radius) if dry_run else [controls_table([answer.control])]
    show(answer, *tables, as_is=as_json)


async def resume(
    control: "ControlServiceAsyncStub", control_ids: Sequence[str], *, reason: str, plan: PlanOptions, as_json: bool
) -> None:
    """Lift pauses as they are now and show which remain; if another began meanwhile, show what is live instead."""
    named = control_pb2.GetExecutionControlRequest(control_id=control_ids[0])
    first = (await control.GetExecutionControl(named, timeout=_CALL_SECONDS)).control
    request = control_pb2.ResumeRequest(
        request_id=str(uuid7()), control_ids=control_ids, etag=first.etag, reason=reason
    )
    plan.set_on(request)
    try:
        answer = await control.Resume(request, timeout=_CALL_SECONDS)
    except Failure as failure:
        if failure.reason != "ETAG_MISMATCH":
            raise
        await controls(control, live_only=True, as_json=as_json)
        message = "nothing was lifted: another pause began meanwhile. Look at what is live now, then resume again"
        raise Failure(failure.kind, failure.reason, message) from None
    show(answer, controls_table([*answer.controls, *answer.remaining]), as_is=as_json)


async def controls(control: "ControlServiceAsyncStub", *, live_only: bool, as_json: bool) -> None:
    """List pauses."""
    request = control_pb2.ListExecutionControlsRequest(live_only=live_only, page_size=_MOST_LISTED)
    answer = await control.ListExecutionControls(request, timeout=_CALL_SECONDS)
    show(answer, controls_table(answer.controls), as_is=as_json)
