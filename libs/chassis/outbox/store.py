"""The outbox's tables: every statement on them, and nothing of delivery. Leases use the database's clock."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.outbox.parcels import Backlog, Parcel, SetAside
from chassis.statements import load_queries

_queries = load_queries("chassis")


def outbox_ddl() -> str:
    """Return the statements that make the outbox's tables, for a service's first migration."""
    return str(_queries.create_outbox.text)


class Store:
    """The parcels kept in one database."""

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self._database = database
        self._lease = lease

    async def insert(self, tx: Transaction, parcels: Sequence[Parcel]) -> None:
        """Add parcels, leased to the one who is about to send them. Part of the caller's transaction."""
        if parcels:
            await tx.execute(
                _queries.insert_parcels,
                parcel_ids=[parcel.parcel_id for parcel in parcels],
                receivers=[parcel.receiver for parcel in parcels],
                payloads=[parcel.payload for parcel in parcels],
                items=[parcel.items for parcel in parcels],
                lease=self._lease,
            )

    async def claim(self, receiver: str, *, bytes_: int) -> list[Parcel]:
        """Lease parcels that nobody holds, as many as a claim takes, ending with the one that exceeds `bytes_`."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(_queries.claim_parcels, receiver=receiver, bytes=bytes_, lease=self._lease)
        claimed = (
            Parcel(receiver=receiver, parcel_id=row.parcel_id, payload=row.payload, items=row.items, tries=row.tries)
            for row in rows
        )
        return sorted(claimed, key=lambda parcel: parcel.parcel_id)

    async def renew(self, receiver: str, parcel_ids: Sequence[UUID]) -> set[UUID]:
        """Extend the leases and return the parcels that are still there."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(
                _queries.renew_parcels, receiver=receiver, parcel_ids=parcel_ids, lease=self._lease
            )
        return {row.parcel_id for row in rows}

    async def defer(self, receiver: str, parcel_ids: Sequence[UUID]) -> None:
        """Put parcels off, longer with each try."""
        async with self._database.autocommit() as connection:
            await connection.execute(_queries.defer_parcels, receiver=receiver, parcel_ids=parcel_ids)

    async def release(self, receiver: str, parcel_ids: Sequence[UUID]) -> None:
        """Give the leases up, so that another process may take the parcels at once."""
        async with self._database.autocommit() as connection:
            await connection.execute(_queries.release_parcels, receiver=receiver, parcel_ids=parcel_ids)

    async def confirm(self, parcels: Iterable[Parcel], refused: Sequence[SetAside]) -> None:
        """Delete what was delivered and, in the same commit, set the refused items aside."""
        ordered = sorted(parcels, key=lambda parcel: (parcel.receiver, parcel.parcel_id))
        receivers = [parcel.receiver for parcel in ordered]
        parcel_ids = [parcel.parcel_id for parcel in ordered]
        async with self._database.autocommit() as connection:
            if not refused:
                await connection.execute(_queries.confirm_parcels, receivers=receivers, parcel_ids=parcel_ids)
                return
            await connection.execute(
                _queries.confirm_parcels_setting_aside,
                receivers=receivers,
                parcel_ids=parcel_ids,
                refused_parcel_ids=[item.parcel.parcel_id for item in refused],
                item_ids=[_storable(item.item_id) for item in refused],
                payloads=[item.payload for item in refused],
                reasons=[_storable(item.reason) for item in refused],
                messages=[_storable(item.message) for item in refused],
            )

    async def forget_refused(self, before: datetime, *, most: int) -> int:
        """Delete items that were set aside before then, at most `most`; return how many."""
        async with self._database.autocommit() as connection:
            return await connection.execute(_queries.forget_refused, before=before, most=most)

    async def backlog(self) -> list[Backlog]:
        """Count what waits, per receiver."""
        async with self._database.autocommit() as connection:
            rows = await connection.fetch(_queries.measure_outbox)
        return [
            Backlog(
                receiver=row.receiver,
                parcels=row.parcels,
                items=row.items,
                oldest=timedelta(seconds=row.oldest_seconds),
            )
            for row in rows
        ]


def _storable(words: str) -> str:
    """Drop what PostgreSQL's text cannot hold."""
    return words.replace("\0", "").encode(errors="replace").decode()
