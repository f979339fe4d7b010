"""Ask control: may these scopes send? Whatever goes wrong is an answer too: they count as not asked. Pauses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import structlog

from chassis.replicas import Replicas
from gate.domain.facts import Controls, Pause, Scope
from kernel.errors import Failure
from whatlead.control.v1 import control_pb2, control_pb2_grpc

_SCOPES_A_CALL = 5_000
_SECONDS = 2.0
# While a few are tried out, about as many are handed over as the slowest second of a ramp takes.
_CANARY_SHARE = 0.1
_SOURCES = {number: name.removeprefix("SOURCE_") for name, number in control_pb2.Source.items() if number}
_log = structlog.get_logger("gate.control")


class ControlClient:
    """Implements `Control` with CheckExecutions."""

    def __init__(self, stubs: Sequence[control_pb2_grpc.ControlServiceAsyncStub]) -> None:
        self._replicas = Replicas(stubs)

    async def check(self, scopes: Iterable[Scope]) -> Controls:
        asked = list(scopes)
        if not asked:
            return Controls()
        parts = [asked[start : start + _SCOPES_A_CALL] for start in range(0, len(asked), _SCOPES_A_CALL)]
        try:
            async with asyncio.timeout(_SECONDS):
                answers = await asyncio.gather(*map(self._ask, parts))
        except (Failure, TimeoutError) as error:
            _log.warning("control.unreachable", scopes=len(asked), reason=getattr(error, "reason", "TIMEOUT"))
            return Controls()
        return _controls(asked, [answer for part in answers for answer in part])

    async def _ask(self, scopes: Sequence[Scope]) -> Sequence[control_pb2.ScopeAnswer]:
        request = control_pb2.CheckExecutionsRequest(
            scopes=[
                control_pb2.ExecutionScope(
                    organization_id=scope.organization_id,
                    instance_id=scope.instance_id,
                    campaign_id=scope.campaign_id,
                )
                for scope in scopes
            ]
        )
        response = await self._replicas.call(
            lambda stub, seconds: stub.CheckExecutions(request, timeout=seconds), timeout=_SECONDS
        )
        return response.answers


def _controls(asked: Sequence[Scope], answers: Sequence[control_pb2.ScopeAnswer]) -> Controls:
    """Read the answers; a scope without one, or with one that says neither, stays unanswered."""
    answered: set[Scope] = set()
    pauses: dict[Scope, Pause] = {}
    shares: dict[Scope, float] = {}
    versions: dict[str, int] = {}
    for scope, answer in zip(asked, answers, strict=False):
        versions[scope.organization_id] = answer.organization_version
        match answer.WhichOneof("answer"):
            case "allowed":
                answered.add(scope)
                share = _share(answer.allowed)
                if share < 1:
                    shares[scope] = share
            case "paused":
                answered.add(scope)
                pauses[scope] = pause_of(answer.paused, answer.paused.control_ids)
            case _:
                pass
    return Controls(asked=frozenset(answered), pauses=pauses, shares=shares, versions=versions)


def _share(allowed: control_pb2.Allowed) -> float:
    """Return the share of its pace; an answer that names none stands for all of it."""
    share = allowed.rate_factor or 1.0
    return min(share, _CANARY_SHARE) if allowed.HasField("canary") else share


def pause_of(paused: control_pb2.Paused | control_pb2.ExecutionControl, control_ids: Sequence[str]) -> Pause:
    """Return until when a pause holds, and in words why, who made it and on whose behalf."""
    until: datetime | None = None
    if paused.HasField("paused_until"):
        until = paused.paused_until.ToDatetime(tzinfo=UTC)
    by = f"by {paused.paused_by}" if paused.paused_by else ""
    grounds = ", ".join(part for part in (by, _SOURCES.get(paused.source, ""), *control_ids[:3]) if part)
    return Pause(until=until, note=f"{paused.reason} ({grounds})" if grounds else paused.reason)
