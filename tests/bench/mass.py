"""Put a mass of work into the tables, copies of one intent and one job, and take it out. Measures nothing."""

from collections.abc import Mapping

import asyncpg
from tests.bench.traffic import looks

_ID = "CAST(substr(CAST(template.intent_id AS text), 1, 15) || '{kind}-8000-' || lpad(to_hex(nth), 12, '0') AS uuid)"
_INTENT_ID, _JOB_ID = _ID.format(kind="000"), _ID.format(kind="001")
_PERSON = "md5(CAST(nth AS text))"

# Nine of ten intents were told to hold; the tenth waits for its turn, and ten of those come due each second.
_INTENT = {
    "intent_id": _INTENT_ID,
    "request_id": "'mass-' || nth",
    "number_hash": f"decode({_PERSON}, 'hex')",
    "recipient_id": f"CAST({_PERSON} AS uuid)",
}
_WAITING = {
    "intent_id": _INTENT_ID,
    "waits_for": "CASE WHEN nth % 10 = 0 THEN 'TIME' ELSE 'RESUME' END",
    "due_at": "CASE WHEN nth % 10 = 0 THEN now() + nth * interval '10 ms' ELSE template.due_at END",
}
_RECIPIENT = {"number_hash": _INTENT["number_hash"], "recipient_id": _INTENT["recipient_id"]}
_JOB = {
    "intent_id": _JOB_ID,
    "recipient_id": _PERSON,
    "held_by": "NULL",
    "reason": "''",
    "next_attempt_at": "now()",
    "approved_until": "template.expire_time",
    "lapses_at": "template.expire_time",
}


class Mass:
    """The waiting work of one campaign, of which one intent and one job are there already."""

    def __init__(self, connection: asyncpg.Connection, campaign: str) -> None:
        self._connection = connection
        self._campaign = campaign

    async def keep_templates(self) -> None:
        """Keep the one intent and the one job to copy from, as soon as they are there."""
        wanted = {
            "gate.intent": f"campaign_id = '{self._campaign}' AND state = 'QUEUED'",
            "gate.waiting": f"campaign_id = '{self._campaign}'",
            "gate.recipient": "true",
            "executor.job": f"campaign_id = '{self._campaign}'",
        }
        async for _ in looks("one intent and one job to copy", every=0.1):
            if all([await keep_template(self._connection, table, where) for table, where in wanted.items()]):
                break

    async def put(self, *, intents: int, jobs: int) -> None:
        """Make so many copies, and leave the tables as a vacuum leaves them."""
        await copy(self._connection, "gate.intent", range(intents), _INTENT)
        await copy(self._connection, "gate.waiting", range(intents), _WAITING)
        await copy(self._connection, "gate.recipient", range(intents), _RECIPIENT)
        await copy(self._connection, "executor.job", range(jobs), _JOB)
        await settle(self._connection, "gate.intent", "gate.waiting", "gate.recipient", "executor.job")

    async def take_out(self) -> None:
        """Empty the tables. Nothing else may be waiting."""
        await self._connection.execute("TRUNCATE gate.intent, gate.waiting, gate.recipient, executor.job")
        await self._connection.execute("CHECKPOINT")


async def keep_template(connection: asyncpg.Connection, table: str, where: str) -> bool:
    """Keep one row of `table` to copy from, and tell whether there was one."""
    template = _template(table)
    await connection.execute(f"DROP TABLE IF EXISTS {template}")
    await connection.execute(f"CREATE TEMPORARY TABLE {template} AS SELECT * FROM {table} WHERE {where} LIMIT 1")
    return bool(await connection.fetchval(f"SELECT EXISTS (SELECT FROM {template})"))


async def copy(connection: asyncpg.Connection, table: str, numbers: range, changed: Mapping[str, str]) -> None:
    """Copy the template of `table` once a number; `changed` says what becomes of a column, in SQL over `nth`."""
    found = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema || '.' || table_name = $1", table
    )
    columns = [row["column_name"] for row in found]
    values = [changed.get(column, f"template.{column}") for column in columns]
    await connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {_template(table)} AS template"
        f" CROSS JOIN generate_series({numbers.start + 1}, {numbers.stop}) AS nth"
    )


async def settle(connection: asyncpg.Connection, *tables: str) -> None:
    """Leave the tables as a vacuum leaves them, with nothing left to be written."""
    for table in tables:
        await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.execute("CHECKPOINT")


def _template(table: str) -> str:
    return f"template_{table.partition('.')[2]}"
