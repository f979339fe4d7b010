"""Put a mass of waiting work into the tables, copies of one intent and one job, and take it out. Measures nothing."""

from collections.abc import Mapping

import asyncpg
from tests.bench.traffic import looks

_ID = "CAST(substr(CAST(template.intent_id AS text), 1, 15) || '{kind}-8000-' || lpad(to_hex(number), 12, '0') AS uuid)"
_INTENT_ID, _JOB_ID = _ID.format(kind="000"), _ID.format(kind="001")
_PERSON = "md5(CAST(number AS text))"

# Nine of ten intents were told to hold; the tenth waits for its turn, and ten of those come due each second.
_INTENT = {
    "intent_id": _INTENT_ID,
    "request_id": "'mass-' || number",
    "number_hash": f"decode({_PERSON}, 'hex')",
    "recipient_id": f"CAST({_PERSON} AS uuid)",
}
_WAITING = {
    "intent_id": _INTENT_ID,
    "waits_for": "CASE WHEN number % 10 = 0 THEN 'TIME' ELSE 'RESUME' END",
    "due_at": "CASE WHEN number % 10 = 0 THEN now() + number * interval '10 ms' ELSE template.due_at END",
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
            "intent": f"SELECT * FROM gate.intent WHERE campaign_id = '{self._campaign}' AND state = 'QUEUED'",
            "waiting": f"SELECT * FROM gate.waiting WHERE campaign_id = '{self._campaign}'",
            "recipient": "SELECT * FROM gate.recipient LIMIT 1",
            "job": f"SELECT * FROM executor.job WHERE campaign_id = '{self._campaign}'",
        }
        async for _ in looks("one intent and one job to copy", every=0.1):
            if all([await self._connection.fetch(select) for select in wanted.values()]):
                break
        for name, select in wanted.items():
            await self._connection.execute(f"CREATE TEMPORARY TABLE template_{name} AS {select}")

    async def put(self, *, intents: int, jobs: int) -> None:
        """Make so many copies, and leave the tables as a vacuum leaves them."""
        await self._copy("gate", "intent", intents, _INTENT)
        await self._copy("gate", "waiting", intents, _WAITING)
        await self._copy("gate", "recipient", intents, _RECIPIENT)
        await self._copy("executor", "job", jobs, _JOB)
        for table in ("gate.intent", "gate.waiting", "gate.recipient", "executor.job"):
            await self._connection.execute(f"VACUUM ANALYZE {table}")
        await self._connection.execute("CHECKPOINT")

    async def _copy(self, schema: str, table: str, rows: int, changed: Mapping[str, str]) -> None:
        found = await self._connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
            schema,
            table,
        )
        columns = [row["column_name"] for row in found]
        values = [changed.get(column, f"template.{column}") for column in columns]
        await self._connection.execute(
            f"INSERT INTO {schema}.{table} ({', '.join(columns)}) SELECT {', '.join(values)} "
            f"FROM template_{table} AS template CROSS JOIN generate_series(1, {rows}) AS number"
        )

    async def take_out(self) -> None:
        """Empty the tables. Nothing else may be waiting."""
        await self._connection.execute("TRUNCATE gate.intent, gate.waiting, gate.recipient, executor.job")
        await self._connection.execute("CHECKPOINT")
