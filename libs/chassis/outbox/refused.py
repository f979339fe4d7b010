"""What receivers refused: list it without its content, and send it again. Knows no delivery and no wire."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Database
from chassis.statements import load_queries
from kernel.ids import uuid7

_queries = load_queries("chassis")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedItem:
    """One refused item, without its content."""

    refused_id: int
    receiver: str
    item_id: str
    reason: str
    message: str
    content_bytes: int
    refused_at: datetime


class RefusedItems:
    """The refused items of one database's outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self) -> Counter[str]:
        """Return how many there are, by receiver."""
        async with self._database.autocommit() as connection:
            return Counter({row.receiver: row.items for row in await connection.fetch(_queries.count_refused)})

    async def page(self, *, after: int, most: int) -> Sequence[RefusedItem]:
        """Return those with ids above `after`, oldest first."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(_queries.list_refused, after=after, most=most)
        return [RefusedItem(**dict(row)) for row in rows]

    async def resend(self, refused_ids: Sequence[int]) -> int:
        """Put items back into the outbox, each once, and return how many there were."""
        ids = sorted(set(refused_ids))
        async with self._database.autocommit() as connection:
            return await connection.execute(_queries.resend_refused, refused_ids=ids, parcel_ids=[uuid7() for _ in ids])
