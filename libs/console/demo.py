"""`whatlead demo`: a whole campaign, paused half-way, accounted for to the last row, and explained. Uses the API."""

import asyncio
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from rich.console import Console

from console.accounting import Account, FenceCheck, check_fence, take_account
from console.connection import Clients, clients, token_for
from console.conservation import Conservation, check_conservation
from console.leads import Lead, read_leads
from console.live import Progression, live_view
from console.output import table
from console.ports import find_free
from console.provision import INSTANCES, provision, read_numbers, suppress
from console.submission import RowResult, submit
from console.system import System, running_system
from console.up import grpcurl_line
from console.verification import BadEvidence, Outside, walk_log
from console.views import controls_table
from console.views_metrics import metrics_tables
from console.waterfall import waterfall
from kernel.ids import uuid7
from whatlead.audit.v1 import metrics_pb2, timeline_pb2
from whatlead.control.v1 import control_pb2

_EXECUTORS = 2
_PAUSE_SECONDS = 3.0
_SETTLE_SECONDS = 120.0
_POLL_SECONDS = 1.0
_WIDTH = 160


async def demo(data_dir: Path, file: Path | None) -> None:
    """Run it; exit status 1 if anything does not add up."""
    started = time.monotonic()
    sample = resources.files("console") / "sample"
    with resources.as_file(sample) as folder:
        leads = read_leads(file or folder / "leads.csv", "BR")
        opted_out = read_numbers(folder / "opted_out.txt")
    organization = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    print("starting PostgreSQL, the simulator, gate, control, audit and two executors …", flush=True)
    async with running_system(data_dir, find_free(_EXECUTORS), executors=_EXECUTORS) as system:
        token = token_for(data_dir, organization)
        async with clients(system.connection, token) as stubs:
            print(f"ready after {time.monotonic() - started:.1f} s; organization {organization}", flush=True)
            await provision(stubs)
            print(
                f"{await suppress(stubs, opted_out, reason='asked to stop')} numbers have opted out",
                flush=True,
            )
            problems = await _campaign(stubs, system, leads, organization)
            problems += await _verified(stubs, system)
            _show_how_to_repeat(system, organization)
    if problems:
        sys.exit("\n".join(["it does not add up:", *problems]))
    print("everything adds up")


async def _campaign(stubs: Clients, system: System, leads: Sequence[Lead], organization: str) -> list[str]:
    begun = time.monotonic()
    progression = Progression(rows=len(leads))
    results: list[RowResult] = []
    async with live_view(stubs, progression):
        submitting = asyncio.create_task(_submit_all(stubs, leads, organization, progression, results))
        fenced, resumed_at = await _pause_half_way(stubs, progression, submitting)
        await submitting
        progression.phase = "finishing"
        await _nearly_done(progression)
        account = await _settled(stubs, results, system.simulator_url)
        progression.phase = "done"
    fence = await check_fence(
        stubs, system.simulator_url, fenced_at=fenced.fenced_at.ToDatetime(UTC), resumed_at=resumed_at
    )
    print(f"\nthe campaign took {time.monotonic() - begun:.1f} s")
    _show_account(account, fenced, fence)
    await _show_explanations(stubs, results)
    conservation = await _conserved(stubs)
    print(f"\naudit has {conservation.events} events of {conservation.intents} intents and {conservation.jobs} jobs")
    problems = account.problems()
    problems += [f"{problem.intent_id}: {problem.what}" for problem in conservation.problems]
    if not fence.holds:
        problems.append(f"{fence.begun_inside} sends began and {fence.arrived_inside} arrived inside the fence")
    return problems


async def _submit_all(
    stubs: Clients,
    leads: Sequence[Lead],
    organization: str,
    progression: Progression,
    results: list[RowResult],
) -> None:
    async for batch in submit(stubs, leads, run=organization):
        results.extend(batch)
        progression.submitted = len(results)
    progression.phase = "sending"


async def _pause_half_way(
    stubs: Clients, progression: Progression, submitting: asyncio.Task[None]
) -> tuple[control_pb2.ExecutionControl, datetime]:
    """Pause the organization once half of what can be sent was sent and all is submitted; resume after 3 s.

    Returns the fenced pause, and when its resume was asked for.
    """
    await submitting
    while progression.sent < (progression.rows - progression.blocked) / 2:
        await progression.refreshed.wait()
    progression.phase = "pausing"
    request = control_pb2.PauseRequest(
        request_id=str(uuid7()), scope=control_pb2.SCOPE_ORGANIZATION, reason="the demo's pause half-way"
    )
    fenced = (await stubs.control.Pause(request, timeout=30)).control
    progression.phase = "FENCED"
    await asyncio.sleep(_PAUSE_SECONDS)
    resumed_at = datetime.now(UTC)
    await stubs.control.Resume(
        control_pb2.ResumeRequest(
            request_id=str(uuid7()),
            control_ids=[fenced.control_id],
            etag=fenced.etag,
            reason="the demo goes on",
            immediate=control_pb2.Immediate(),
        ),
        timeout=30,
    )
    progression.phase = "resumed"
    return fenced, resumed_at


async def _nearly_done(progression: Progression) -> None:
    """Wait until the numbers say that each row was answered for, 120 s at most."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while progression.answered < progression.rows and time.monotonic() < deadline:
        await progression.refreshed.wait()


async def _settled(stubs: Clients, results: Sequence[RowResult], simulator_url: str) -> Account:
    """Wait until nothing waits and webhooks have settled what was unknown, 120 s at most; return the account."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        account = await take_account(stubs, results, simulator_url)
        done = account.settled and account.jobs["UNKNOWN"] == account.accepted_unknown == 0
        if (done and not account.problems()) or time.monotonic() > deadline:
            return account
        await asyncio.sleep(_POLL_SECONDS)


async def _conserved(stubs: Clients) -> Conservation:
    """Compare with audit's events until they are all there, 120 s at most."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        found = await check_conservation(stubs, days=1)
        if found.holds or time.monotonic() > deadline:
            return found
        await asyncio.sleep(_POLL_SECONDS)


async def _verified(stubs: Clients, system: System) -> list[str]:
    """Check the evidence log as `whatlead verify` does."""
    outside = Outside.open([system.data_dir / "evidence.pub"], system.data_dir / "checkpoints")
    try:
        walk = await walk_log(stubs.evidence, outside, kept_since=None)
    except BadEvidence as bad:
        return [str(bad)]
    print(
        f"the evidence log has {walk.size} leaves and {walk.checkpoints} checkpoints; "
        f"{walk.bodies} bodies were checked, {walk.found} are not as they were sealed"
    )
    return [str(problem) for problem in walk.problems]


def _show_account(account: Account, fenced: control_pb2.ExecutionControl, fence: FenceCheck) -> None:
    console = Console(width=_WIDTH)
    blocked = [(f"blocked: {reason}", count) for reason, count in account.blocked.most_common()]
    rows = [
        *blocked,
        ("sent", account.sent),
        ("  of which delivery failed later", account.delivery_failures),
        ("failed", account.failed),
        ("dead (attempts used up)", account.jobs["DEAD"]),
        ("unknown", account.jobs["UNKNOWN"]),
        ("queued", account.still_queued),
        ("rows", account.rows),
        ("the provider took", account.accepted_by_provider),
        ("  of which twice", account.accepted_twice),
    ]
    console.print()
    console.print(table("every row", ("", ""), rows))
    console.print(controls_table([fenced]))
    console.print(
        f"between FENCED and the resume {fence.begun_inside} sends began (of {fence.observed} in all), "
        f"{fence.arrived_inside} reached the provider later than 100 ms after FENCED"
    )
    console.print("it went on at full pace, as by `whatlead resume --immediately`; without, the pace grows over 60 s")


async def _show_explanations(stubs: Clients, results: Sequence[RowResult]) -> None:
    console = Console(width=_WIDTH)
    intent_id = await _a_telling_intent(stubs, results)
    life = await stubs.timelines.GetMessageIntentTimeline(
        timeline_pb2.GetMessageIntentTimelineRequest(intent_id=intent_id), timeout=30
    )
    console.print()
    console.print(waterfall(life, width=_WIDTH, now=datetime.now(UTC)))
    instance = await stubs.metrics.GetInstanceMetrics(
        metrics_pb2.GetInstanceMetricsRequest(instance_id=INSTANCES[0], window_minutes=60), timeout=30
    )
    organization = await stubs.metrics.GetOrganizationMetrics(
        metrics_pb2.GetOrganizationMetricsRequest(window_minutes=60), timeout=30
    )
    for one in (*metrics_tables(INSTANCES[0], instance), *metrics_tables("organization", organization)):
        console.print()
        console.print(one)


async def _a_telling_intent(stubs: Clients, results: Sequence[RowResult]) -> str:
    """Return the intent with the most to tell among a few that were waiting when the pause came."""
    waiting = [result.intent_id for result in results if result.outcome == "QUEUED"]
    candidates = waiting[len(waiting) // 2 :: max(1, len(waiting) // 40)] or [results[0].intent_id]

    async def entries(intent_id: str) -> tuple[int, str]:
        request = timeline_pb2.GetMessageIntentTimelineRequest(intent_id=intent_id)
        return len((await stubs.timelines.GetMessageIntentTimeline(request, timeout=30)).entries), intent_id

    return max([await entries(intent_id) for intent_id in candidates])[1]


def _show_how_to_repeat(system: System, organization: str) -> None:
    folder = shlex.quote(str(system.data_dir))
    token = f"$(whatlead token --data-dir {folder} --organization {organization})"
    calls = (
        (
            "whatlead.audit.v1.MetricsService/GetInstanceMetrics",
            '{"instance_id": "inst-sp-1", "window_minutes": 60}',
        ),
        ("whatlead.audit.v1.MetricsService/GetOrganizationMetrics", '{"window_minutes": 60}'),
        (
            "whatlead.audit.v1.EventService/ListEvents",
            '{"types": ["EVENT_TYPE_MESSAGE_BLOCKED"], "page_size": 5}',
        ),
    )
    print("\nTo ask again, start it once more with `make up`, and in another terminal after `. .venv/bin/activate`:\n")
    for method, body in calls:
        line = grpcurl_line(system.connection.ca_file, token, system.connection.audit, method, body)
        print(line.replace(f"'authorization: Bearer {token}'", f'"authorization: Bearer {token}"'), end="\n\n")
