"""No phone number and no text in anything that a full run emits, and nothing of an erased person anywhere.

A campaign with failures, webhooks, pauses, refusals and violated constraints runs at log level debug with traces and
metrics exported; then all of it is searched for the numbers and texts it was given.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.system.leaks import find_leaks
from tests.system.scenario import Scenario, eventually, organization, running
from tests.system.test_telemetry import Collector

from console.ports import SERVICES
from console.system import System
from kernel.errors import Failure
from kernel.ids import uuid7
from whatlead.control.v1 import control_pb2
from whatlead.gate.v1 import gate_pb2, intent_pb2, policy_pb2, subject_pb2

NUMBERS = [f"+55319{tail}" for tail in ("86420973", "73951846", "91738264", "68402957", "79135826", "97531864")]
SHORT = [f"+5531{tail}" for tail in ("75319842", "86429753")]
ERASED, MALFORMED, LANDLINE, POISON = "+5531984207531", "+55 (31) 98531-9642", "+553136427985", "+5531976418253"
SECRET, NAME, CAPTION = "exame de Iracema", "Iracema Quiteria", "laudo da Iracema"
EVERY_NUMBER = [*NUMBERS, *SHORT, ERASED, "+5531985319642", LANDLINE, POISON]
EVERY_TEXT = [SECRET, NAME, CAPTION]
CONTENTS: Sequence[dict[str, Any]] = (
    {"text": intent_pb2.Text(body=f"{SECRET}: está pronto")},
    {"template": intent_pb2.Template(name="aviso", parameters=[NAME])},
    {
        "media": intent_pb2.Media(
            kind=intent_pb2.MEDIA_KIND_DOCUMENT, link="https://example.com/x", caption=CAPTION, filename=f"{NAME}.pdf"
        )
    },
)
FAILING = {
    "latency": {"low": 0.01, "high": 0.05},
    "refusals": [{"share": 0.1, "code": 131026}, {"share": 0.1, "code": 131016}, {"share": 0.1, "http_status": 503}],
    "lost_answer_share": 0.05,
    "reset_before_acceptance_share": 0.05,
    "garbage_share": 0.1,
    "failing": [{"share": 0.1, "code": 131026}],
    "sent_delay": {"low": 0.1, "high": 0.2},
    "delivered_delay": {"low": 0.2, "high": 0.4},
    "read_delay": {"low": 0.3, "high": 0.6},
}
POISONED = {
    "gate": "ALTER TABLE gate.intent ADD CONSTRAINT planted CHECK (campaign_id <> 'poison-gate')",
    "executor": "ALTER TABLE executor.job ADD CONSTRAINT planted CHECK (campaign_id <> 'poison-executor')",
}
HAPPENED = {
    *("MESSAGE_APPROVED", "MESSAGE_BLOCKED", "MESSAGE_QUEUED", "MESSAGE_SENT", "MESSAGE_DELIVERED", "MESSAGE_READ"),
    *("MESSAGE_FAILED", "MESSAGE_RETRY_SCHEDULED", "MESSAGE_OUTCOME_UNKNOWN", "MESSAGE_OUTCOME_RESOLVED"),
    *("EXECUTION_PAUSED", "EXECUTION_FENCED", "EXECUTION_RESUMED"),
}
EMITTED = {
    "events": "SELECT body FROM audit.operational_event",
    "quarantine": "SELECT body || convert_to(message, 'UTF8') FROM audit.quarantine",
    "executor.outbox": "SELECT payload FROM executor.outbox",
    "executor.outbox_refused": "SELECT payload || convert_to(message, 'UTF8') FROM executor.outbox_refused",
    "gate.outbox": "SELECT payload FROM gate.outbox WHERE receiver <> 'executor'",
    "gate.outbox_refused": "SELECT convert_to(message, 'UTF8') FROM gate.outbox_refused",
    "pauses": "SELECT convert_to(row_to_json(one)::text, 'UTF8') FROM control.pause AS one",
}


def intent(recipient: str, number: int, **values: Any) -> intent_pb2.NewIntent:
    given = {
        "request_id": str(uuid7()),
        "campaign_id": f"campaign-{number}",
        "reference": f"lead-{number}",
        "category": intent_pb2.CATEGORY_UTILITY,
        "recipient": recipient,
        "hold_if_paused": True,
        **CONTENTS[number % len(CONTENTS)],
    }
    return intent_pb2.NewIntent(**{**given, **values})


class Run:
    """One run: what was answered to bad calls, and the database to look into."""

    def __init__(self, system: System, acme: Scenario) -> None:
        self.acme = acme
        self.url = system.postgres.url(user="postgres", database="whatlead")
        self.answers: list[str] = []

    async def submit(self, *intents: intent_pb2.NewIntent) -> list[gate_pb2.SubmitResult]:
        answer = await self.acme.stubs.gate.SubmitIntents(gate_pb2.SubmitIntentsRequest(intents=intents), timeout=30)
        self.answers += [result.error.message for result in answer.results if result.HasField("error")]
        return list(answer.results)

    async def refused(self, call: Any) -> None:
        with pytest.raises(Failure) as raised:
            await call
        self.answers.append(f"{raised.value} {raised.value.violations}")

    async def sql(self, statement: str) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    async def bad_calls(self) -> None:
        """Numbers that are none, numbers where they must not be, and rows that the schema refuses."""
        stubs = self.acme.stubs
        (malformed, landline, _) = await self.submit(
            intent(MALFORMED, 1), intent(LANDLINE, 2), intent(NUMBERS[0], 3, reference=NUMBERS[0][1:])
        )
        assert malformed.submitted.decision.reason == landline.submitted.decision.reason == "INVALID_RECIPIENT"
        await self.refused(
            stubs.gate.SubmitIntent(gate_pb2.SubmitIntentRequest(intent=intent(MALFORMED * 4, 0, request_id="")))
        )
        suppress = policy_pb2.AddSuppressionsRequest(request_id="bad", recipients=[NUMBERS[0], MALFORMED], reason="x")
        await self.refused(stubs.policies.AddSuppressions(suppress))
        erase = subject_pb2.EraseSubjectRequest(request_id="bad", recipient=ERASED, reason=f"erase {ERASED}")
        await self.refused(stubs.subjects.EraseSubject(erase))
        for statement in POISONED.values():
            await self.sql(statement)
        await self.refused(
            stubs.gate.SubmitIntent(
                gate_pb2.SubmitIntentRequest(intent=intent(POISON, 0, campaign_id="poison-gate")), timeout=30
            )
        )
        await self.submit(intent(POISON, 0, campaign_id="poison-executor"))

    async def is_over(self) -> bool:
        """Every job but the poison is settled, and what it told has arrived."""
        rows = await self.sql(
            "SELECT (SELECT count(*) FROM executor.job WHERE state IN ('READY', 'SENDING'))"
            " + (SELECT count(*) FROM executor.outbox) + (SELECT count(*) FROM executor.webhook_inbox)"
            " + (SELECT count(*) FROM gate.outbox WHERE receiver = 'audit') AS left"
        )
        return bool(rows[0]["left"] == 0)


async def emitted(run: Run, system: System, collector: Collector) -> dict[str, bytes]:
    found = {name: b"\n".join(row[0] for row in await run.sql(query)) for name, query in EMITTED.items()}
    async with httpx.AsyncClient() as http:
        for service in SERVICES:
            text = (await http.get(f"http://127.0.0.1:{system.ports.http(service)}/metrics")).text
            found[f"metrics of {service}"] = text.encode()
    return found | {"answers": "\n".join(run.answers).encode(), "exported": b"\n".join(collector.bodies)}


async def test_a_full_run_emits_no_number_and_no_text(tmp_path: Path) -> None:
    collector = Collector()
    async with (
        collector.listening() as endpoint,
        running(tmp_path, profile=FAILING, WHATLEAD_OTLP_ENDPOINT=endpoint, WHATLEAD_LOG_LEVEL="debug") as system,
        organization(system, "acme") as acme,
    ):
        run = Run(system, acme)
        recipients = [*NUMBERS, *SHORT, ERASED]
        await run.submit(*(intent(number, place) for place, number in enumerate(recipients * 10)))
        paused = await acme.stubs.control.Pause(
            control_pb2.PauseRequest(request_id="p", scope=control_pb2.SCOPE_ORGANIZATION, reason="a test"), timeout=30
        )
        await run.submit(*(intent(number, 1_000 + place) for place, number in enumerate(recipients * 2)))
        resume = control_pb2.ResumeRequest(
            request_id="r",
            control_ids=[paused.control.control_id],
            etag=paused.control.etag,
            reason="a test",
            immediate=control_pb2.Immediate(),
        )
        await acme.stubs.control.Resume(resume, timeout=30)
        await run.bad_calls()
        await eventually(run.is_over, bool, seconds=90)
        held = b"\n".join(
            row[0]
            for row in await run.sql(
                "SELECT convert_to(recipient, 'UTF8') || content FROM executor.job WHERE content IS NOT NULL"
            )
        )
        types = {row[0] for row in await run.sql("SELECT DISTINCT event_type FROM audit.operational_event")}
        everything = await emitted(run, system, collector)
    assert types >= HAPPENED, "the run was not a full one"
    logs = {path.name: path.read_bytes() for path in (tmp_path / "data").rglob("*.log")}
    assert len(logs) >= len(SERVICES) + 2
    assert b"planted" in logs["executor.log"]
    assert b"planted" in logs["gate.log"]
    assert len(find_leaks({"jobs": held}, recipients, EVERY_TEXT)) >= len(recipients) + len(EVERY_TEXT), (
        "they were sent"
    )
    assert find_leaks(everything | logs, EVERY_NUMBER, EVERY_TEXT) == []


@pytest.mark.parametrize(
    "planted",
    [
        NUMBERS[0],
        NUMBERS[0][3:],
        f"55 31 {NUMBERS[0][6:]}",
        f"(31) 9{NUMBERS[0][6:10]}-{NUMBERS[0][10:]}",
        f"****{NUMBERS[0][-5:]}",
        f"{NUMBERS[0][1:8]}…",
        f"+55319xxx{NUMBERS[0][-5:]}",
        NUMBERS[0].encode().hex(),
        *(base64.b64encode(b"\x1c" * shift + NUMBERS[0].encode() + b"\x15").decode() for shift in range(3)),
        f"DETAIL: Failing row contains ({SECRET})",
        json.dumps({"text": CAPTION}),
        SECRET.encode().hex(),
        *(base64.b64encode(b"\x1c" * shift + NAME.encode() + b"\x15").decode() for shift in range(3)),
    ],
)
def test_the_search_finds_whatever_is_planted(planted: str) -> None:
    noise = json.dumps({"at": "2026-03-02T12:00:00.864209Z", "intent": str(uuid7()), "masked": "*0973", "n": 86420})
    assert find_leaks({"log": noise.encode()}, EVERY_NUMBER, EVERY_TEXT) == []
    assert find_leaks({"log": f"{noise}\n{planted} and so on".encode()}, EVERY_NUMBER, EVERY_TEXT)


async def test_an_erased_person_is_nowhere_and_their_timelines_still_read(tmp_path: Path) -> None:
    async with running(tmp_path) as system, organization(system, "acme") as acme:
        run = Run(system, acme)
        results = await run.submit(*(intent(ERASED, place) for place in range(6)), intent(NUMBERS[0], 0))
        await eventually(run.is_over, bool)
        exported = command(system, "export")
        told = json.loads(exported.stdout)
        assert len(told["intents"]) == 6
        assert {one["content"]["recipient"] for one in told["intents"]} == {ERASED}
        assert all(one["job"]["attempts"] and one["timeline"] for one in told["intents"])
        erased = json.loads(command(system, "erase").stdout)
        assert (erased["intents"], erased.get("pending", 0)) == (6, 0)
        everywhere = {
            table: b"\n".join(
                row[0]
                for row in await run.sql(f"SELECT convert_to(row_to_json(one)::text, 'UTF8') FROM {table} AS one")
            )
            for table in await tables(run)
        }
        assert find_leaks(everywhere, [NUMBERS[0]], []), "others are kept"
        assert find_leaks(everywhere, [ERASED], [CAPTION]) == []
        assert (
            told["recipient_id"]
            not in b"".join(content for table, content in everywhere.items() if not table.startswith("audit.")).decode()
        )
        assert (
            "intents" not in json.loads(command(system, "export").stdout)
            or not json.loads(command(system, "export").stdout)["intents"]
        )
        await eventually(run.is_over, bool)
        for result in results[:6]:
            answer = command(system, "timeline", result.submitted.intent_id, "--json", given="")
            entries = json.loads(answer.stdout)["entries"]
            assert len([entry for entry in entries if not entry.get("context")]) >= 3
            (erasure,) = (entry for entry in entries if entry["event"]["type"] == "EVENT_TYPE_MESSAGE_ERASED")
            assert erasure["summary"].endswith("(“asked by mail”, by operator)")


async def tables(run: Run) -> list[str]:
    rows = await run.sql(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables"
        " WHERE schemaname IN ('gate', 'executor', 'control', 'audit') ORDER BY 1"
    )
    return [row["name"] for row in rows]


def command(system: System, name: str, *arguments: str, given: str = ERASED) -> subprocess.CompletedProcess[str]:
    where = ("--organization", "acme", "--data-dir", str(system.data_dir))
    reason = ("--reason", "asked by mail") if given else ()
    done = subprocess.run(
        [sys.executable, "-m", "console.command", name, *arguments, *reason, *where],
        input=f"{given}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done
