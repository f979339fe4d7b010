"""Count work, and the sends of canaries, which all executors count together. Decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Database, Transaction
from executor.application.ports import Canary
from executor.domain.job import Scope
from executor.infrastructure.ledger import queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """How many jobs of a scope wait, and how many are being sent."""

    scope: Scope
    waiting: int
    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryCount:
    """How the sends of a canary went so far; those without an outcome are neither `succeeded` nor `failed`."""

    sends: int
    succeeded: int
    failed: int


class PostgresCounts:
    """Counts in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def work(self, *, organization_id: str, instance_id: str, campaign_id: str) -> Sequence[Working]:
        """Count what waits and what is being sent, by scope; empty filters match everything."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(
                queries.count_work, organization_id=organization_id, instance_id=instance_id, campaign_id=campaign_id
            )
        return [
            Working(
                scope=Scope(row.organization_id, row.instance_id, row.campaign_id),
                waiting=row.waiting,
                in_flight=row.in_flight,
            )
            for row in rows
        ]

    async def canary(self, control_id: UUID) -> CanaryCount:
        """Count how a canary's sends went."""
        async with self._database.autocommit() as connection:
            row = await connection.fetch_one(queries.count_canaries, control_ids=[control_id])
        if row is None:
            return CanaryCount(sends=0, succeeded=0, failed=0)
        return CanaryCount(sends=row.sends, succeeded=row.succeeded, failed=row.failed)


async def canary_rooms(tx: Transaction, canaries: Sequence[Canary]) -> dict[UUID, int]:
    """Return how many more may be sent for each, locked until the transaction ends; 0 where another executor counts."""
    control_ids = list({canary.control_id for canary in canaries})
    await tx.execute(queries.insert_canaries, control_ids=control_ids)
    locked = {row.control_id for row in await tx.fetch(queries.lock_canaries, control_ids=control_ids)}
    # A statement after the lock, so that it sees every send that was counted under it before.
    rows = await tx.fetch(queries.count_canaries, control_ids=control_ids)
    sends = {row.control_id: row.sends for row in rows}
    return {
        canary.control_id: max(0, canary.sends - sends.get(canary.control_id, 0)) if canary.control_id in locked else 0
        for canary in canaries
    }
