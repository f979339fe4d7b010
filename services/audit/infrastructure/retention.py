"""What audit lets go of: weeks of the log, and what is kept beside it. Decides nothing."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from chassis.database import Database, load_queries
from chassis.retention import A_STEP, Step

_queries = load_queries("audit")
_log = structlog.get_logger("retention")


@dataclass(frozen=True, slots=True)
class Retention:
    """The steps on one database."""

    database: Database

    @property
    def steps(self) -> dict[str, Step]:
        """Return what to do, by name."""
        return {"partitions": self.partition, "rows": self.rows}

    async def partition(self, before: datetime) -> bool:
        """Drop the log's oldest partition if all its events are older and sealed.

        Raises `Failure` when ingest left no gap of a second; the next round tries again.
        """
        async with self.database.transaction() as tx:
            row = await tx.fetch_one(_queries.drop_partition, before=before)
        if row is None or row.dropped is None:
            return False
        _log.info("partitions.dropped", partition=row.dropped)
        return True

    async def rows(self, before: datetime) -> bool:
        """Delete old sums, scopes, quarantined items, and events that are in no partition of their own."""
        async with self.database.transaction() as tx:
            row = await tx.fetch_one(_queries.delete_old_rows, before=before, most=A_STEP)
        return row is not None and row.deleted > 0
