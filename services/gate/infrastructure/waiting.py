"""Find what waits with the gate on PostgreSQL, by index range. Decides nothing."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Database
from gate.application.cooldowns import CooledDown
from gate.application.release import Due
from gate.application.unpark import InstanceState, ParkedScope
from gate.domain.facts import Scope
from gate.infrastructure.statements import queries


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresWaiting:
    """Implements `Waiting`, `Parked` and `Cooling`."""

    database: Database

    async def due(self, *, now: datetime, after: str, most: int, of_one: int) -> Sequence[Due]:
        """Return what is due in organizations after `after`, the oldest first, at most `of_one` of each."""
        async with self.database.autocommit() as tx:
            found = await tx.fetch(queries.find_due, now=now, after=after, most=most, of_one=of_one)
        return [
            Due(
                organization_id=row.organization_id,
                intent_id=row.intent_id,
                campaign_id=row.campaign_id,
                instance_id=row.instance_id,
                expire_time=row.expire_time,
            )
            for row in found
        ]

    async def next_due(self) -> datetime | None:
        """Return when the next comes due."""
        async with self.database.autocommit() as tx:
            row = await tx.fetch_one(queries.find_next_due)
        next_due: datetime | None = row.due_at if row is not None else None
        return next_due

    async def park(self, scopes: Collection[Scope], *, now: datetime, until: datetime, most: int) -> None:
        """Have what comes due in these scopes until then wait for a resume, at most `most` of each."""
        async with self.database.autocommit() as tx:
            await tx.execute(
                queries.park,
                organization_ids=[scope.organization_id for scope in scopes],
                campaign_ids=[scope.campaign_id for scope in scopes],
                instance_ids=[scope.instance_id for scope in scopes],
                now=now,
                until=until,
                most=most,
            )

    async def parked_scopes(self) -> Sequence[ParkedScope]:
        """Return the scopes in which intents wait for an event."""
        async with self.database.autocommit() as tx:
            found = await tx.fetch(queries.find_parked_scopes)
        return [
            ParkedScope(
                waits_for=row.waits_for,
                organization_id=row.organization_id,
                campaign_id=row.campaign_id,
                instance_id=row.instance_id,
            )
            for row in found
        ]

    async def instance_states(self, organization_ids: Sequence[str]) -> Mapping[str, Sequence[InstanceState]]:
        """Return the instances of organizations."""
        states: dict[str, list[InstanceState]] = defaultdict(list)
        async with self.database.autocommit() as tx:
            for row in await tx.fetch(queries.list_instance_states, organization_ids=list(organization_ids)):
                states[row.organization_id].append(
                    InstanceState(instance_id=row.instance_id, connected=row.connected, cooling_until=row.cooldown_end)
                )
        return states

    async def free(self, portions: Mapping[ParkedScope, int], now: datetime) -> None:
        """Make up to so many intents of each scope due."""
        async with self.database.autocommit() as tx:
            await tx.execute(
                queries.free_parked,
                waits_fors=[scope.waits_for for scope in portions],
                organization_ids=[scope.organization_id for scope in portions],
                campaign_ids=[scope.campaign_id for scope in portions],
                instance_ids=[scope.instance_id for scope in portions],
                mosts=list(portions.values()),
                now=now,
            )

    async def cooled_down(self) -> Sequence[CooledDown]:
        """Return the instances whose cooldown is over by the database's clock."""
        async with self.database.autocommit() as tx:
            found = await tx.fetch(queries.find_cooled_down)
        return [
            CooledDown(organization_id=row.organization_id, instance_id=row.instance_id, end_time=row.cooldown_end)
            for row in found
        ]

    async def next_end(self) -> float:
        """Return in how many seconds the next cooldown ends; infinity if there is none."""
        async with self.database.autocommit() as tx:
            row = await tx.fetch_one(queries.find_next_cooldown_end)
        return float(row.seconds) if row is not None and row.seconds is not None else float("inf")
