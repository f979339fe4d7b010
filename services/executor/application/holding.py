"""Tell due jobs of the pause they met. Knows no round."""

from collections.abc import Mapping
from datetime import datetime

from executor.application.ports import Paused, Taking
from executor.domain.job import Scope
from executor.domain.operation import hold


async def hold_due(tx: Taking, paused: Mapping[Scope, Paused], *, jobs: int, at: datetime) -> None:
    """Hold up to `jobs` due jobs of `paused` scopes."""
    changes = []
    for job in await tx.lock_due(list(paused), per_scope=jobs, jobs=jobs):
        answer = paused[job.scope]
        changes.append(
            hold(
                job,
                control_ids=answer.control_ids,
                pause_reason=answer.reason,
                paused_until=answer.paused_until,
                at=at,
            )
        )
    if changes:
        await tx.apply(changes)
