"""The `whatlead` command line. Parses, calls and shows; what takes long to import is imported where it is used.

Exit status: 0 done, 1 refused or failed, 2 bad usage or input, 3 a service cannot be reached.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from uuid import UUID

import typer

if TYPE_CHECKING:
    from console.connection import Clients

_HELP = """Governed message dispatch: start it, submit to it, stop it, ask it.

Tables on a terminal, JSON in a pipe. Exit status: 0 done, 1 refused or failed, 2 bad usage or input, 3 a service
cannot be reached.
"""
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=_HELP)

DataDir = Annotated[Path, typer.Option(envvar="WHATLEAD_DATA_DIR", help="Where the system keeps its data.")]
Organization = Annotated[str, typer.Option(envvar="WHATLEAD_ORGANIZATION", help="The organization to act for.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON also on a terminal.")]
PortBase = Annotated[int, typer.Option(help="Ports are counted from here.")]

_DEFAULT_DATA_DIR = Path(".whatlead")
_DEFAULT_ORGANIZATION = "demo"


def main() -> None:
    """Run the command and turn what went wrong into one line that says what to do."""
    from console.connection import NotConnected
    from console.controls import BadPlan
    from console.leads import BrokenFile
    from console.ports import PortsTaken
    from console.processes import ProcessEnded
    from console.subjects import NoNumber
    from console.verification import BadEvidence, BadKey
    from kernel.errors import Failure, Kind

    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except (BadKey, BadPlan, BrokenFile, NoNumber, PortsTaken) as error:
        _stop(str(error), 2)
    except BadEvidence as error:
        _stop(f"the log is not what was signed: {error}", 1)
    except (NotConnected, ProcessEnded) as error:
        _stop(str(error), 3)
    except Failure as failure:
        hint = " — is the system running? `whatlead up` starts it" if failure.kind is Kind.UNAVAILABLE else ""
        codes = {Kind.UNAVAILABLE: 3, Kind.INVALID_ARGUMENT: 2}
        _stop(f"{failure}{hint}", codes.get(failure.kind, 1))


def _stop(message: str, status: int) -> NoReturn:
    print(f"whatlead: {message}", file=sys.stderr)
    sys.exit(status)


def _call(data_dir: Path, organization: str, work: Callable[["Clients"], Awaitable[None]]) -> None:
    """Run `work` with clients of the system in `data_dir`."""
    from console.connection import clients, load, token_for

    async def connected() -> None:
        async with clients(load(data_dir), token_for(data_dir, organization)) as stubs:
            await work(stubs)

    _run(connected())


def _call_as_platform(data_dir: Path, work: Callable[["Clients"], Awaitable[None]]) -> None:
    """Run `work` for those who run the installation, with no organization."""
    from console.connection import clients, load, platform_token

    async def connected() -> None:
        async with clients(load(data_dir), platform_token(data_dir)) as stubs:
            await work(stubs)

    _run(connected())


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine; a group of errors is raised as its first."""
    try:
        asyncio.run(work)
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from group


@app.command()
def up(
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    port_base: PortBase = 7000,
    executors: Annotated[int, typer.Option(min=1, max=8, help="How many executors share the work.")] = 1,
) -> None:
    """Start PostgreSQL, the simulator and all services here, and keep them running until Ctrl-C."""
    from console.up import up as run_up

    _run(run_up(data_dir, port_base=port_base, executors=executors, organization=_DEFAULT_ORGANIZATION))


@app.command()
def demo(
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    file: Annotated[Path | None, typer.Option(help="Leads to send to; the built-in sample if not given.")] = None,
) -> None:
    """Run a whole campaign: submit, pause half-way, resume, account for every row, explain one."""
    from console.demo import demo as run_demo

    _run(run_demo(data_dir, file))


@app.command()
def serve(service: Annotated[str, typer.Argument(help="gate, executor, control or audit")]) -> None:
    """Run one service with the settings of its environment (docs/settings.md)."""
    from console.ports import SERVICES

    if service not in SERVICES:
        _stop(f"no service {service!r}: choose one of {', '.join(SERVICES)}", 2)
    os.execv(sys.executable, [sys.executable, "-m", service])  # noqa: S606 - the same interpreter, a fixed module


@app.command()
def migrate(
    database_url: Annotated[
        str,
        typer.Option(envvar="WHATLEAD_ADMIN_DATABASE_URL", help="An owner's URL: postgresql://user:…@host/db"),
    ],
    service: Annotated[list[str] | None, typer.Argument(help="Which services; all if not given.")] = None,
) -> None:
    """Create or upgrade each service's role and schema; role passwords from WHATLEAD_<SERVICE>_PASSWORD."""
    from asyncpg import PostgresError
    from sqlalchemy.exc import ArgumentError, DBAPIError

    from chassis.migrations import migrate as run_migrate
    from console.ports import SERVICES

    chosen = service or list(SERVICES)
    missing = [
        f"WHATLEAD_{one.upper()}_PASSWORD" for one in chosen if not os.environ.get(f"WHATLEAD_{one.upper()}_PASSWORD")
    ]
    unknown = [one for one in chosen if one not in SERVICES]
    if unknown or missing:
        _stop(f"unknown service: {', '.join(unknown)}" if unknown else f"set {', '.join(missing)}", 2)

    async def all_of_them() -> None:
        for one in chosen:
            await run_migrate(database_url, one, os.environ[f"WHATLEAD_{one.upper()}_PASSWORD"])
            print(f"{one}: up to date")

    try:
        _run(all_of_them())
    except (ArgumentError, DBAPIError, PostgresError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        _stop(f"the database did not take it ({type(cause).__name__}: {cause}); check --database-url", 3)


@app.command()
def keys(data_dir: DataDir = _DEFAULT_DATA_DIR) -> None:
    """Make a certificate authority, the services' certificates and a token signing key, where there are none."""
    from console.pki import ensure

    data_dir.mkdir(parents=True, exist_ok=True)
    ensure(data_dir)


@app.command()
def token(
    organization: Organization = _DEFAULT_ORGANIZATION,
    role: Annotated[str, typer.Option(help="owner, admin, member or platform")] = "owner",
    subject: Annotated[str, typer.Option(help="Who it is for.")] = "operator",
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 30, help="How long it holds.")] = 12,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
) -> None:
    """Print a token signed with the data folder's key."""
    from datetime import timedelta

    from console.pki import mint_token

    if role not in {"owner", "admin", "member", "platform"}:
        _stop(f"no role {role!r}: choose owner, admin, member or platform", 2)
    if not (data_dir / "ca.pem").exists():
        _stop(f"no keys in {data_dir}: run `whatlead up` once, or name its folder with --data-dir", 3)
    print(mint_token(data_dir, subject=subject, organization_id=organization, role=role, ttl=timedelta(hours=hours)))


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Leads: .csv with a header, or .jsonl")],
    run: Annotated[str | None, typer.Option(help="Names this run; the same run never sends a row twice.")] = None,
    country: Annotated[str, typer.Option(help="Whose national number format the file may use.")] = "BR",
    hold_if_paused: Annotated[bool, typer.Option(help="Wait for a resume instead of being blocked.")] = False,
    results: Annotated[Path | None, typer.Option(help="Where results go: FILE.results.csv if not given.")] = None,
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
) -> None:
    """Submit a file of leads; run it again to go on where it stopped."""
    from console.operations import submit_file

    path = results or file.with_name(f"{file.name}.results.csv")
    _call(
        data_dir,
        organization,
        lambda stubs: submit_file(
            stubs, file, run=run or file.stem, country=country, hold_if_paused=hold_if_paused, results=path
        ),
    )


@app.command()
def pause(
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    campaign: Annotated[str, typer.Option(help="Stop this campaign.")] = "",
    instance: Annotated[str, typer.Option(help="Stop this sending number.")] = "",
    whole_organization: Annotated[bool, typer.Option("--all", help="Stop the whole organization.")] = False,
    until: Annotated[datetime | None, typer.Option(help="End by itself then (local time).")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the fence stands.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop nothing; show what would be stopped.")] = False,
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Stop sending in a scope; answers when no send in it can begin any more."""
    from console.controls import pause as run_pause

    if sum(map(bool, (campaign, instance, whole_organization))) != 1:
        _stop("name what to stop: one of --campaign, --instance, --all", 2)
    _call(
        data_dir,
        organization,
        lambda stubs: run_pause(
            stubs.control,
            campaign=campaign,
            instance=instance,
            reason=reason,
            until=until,
            wait=wait,
            dry_run=dry_run,
            as_json=as_json,
        ),
    )


@app.command()
def resume(
    control_ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="The pauses to lift: see `whatlead controls`.")
    ],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    immediately: Annotated[bool, typer.Option("--immediately", help="Go on at full pace at once.")] = False,
    ramp_from: Annotated[
        float | None, typer.Option(min=0.01, max=1, help="Begin at this share of the pace; 0.1 if not given.")
    ] = None,
    ramp_over: Annotated[
        float | None, typer.Option(min=1, max=3600, help="Seconds until the full pace; 60 if not given.")
    ] = None,
    canary: Annotated[
        int | None, typer.Option(min=1, max=1000, help="So many sends first, the ramp only if they go well.")
    ] = None,
    watch: Annotated[
        float | None, typer.Option(min=0, max=3600, help="Seconds to wait for bad news of the canary; 30 if not given.")
    ] = None,
    max_failures: Annotated[
        float | None, typer.Option(min=0, max=1, help="The share of the canary that may fail; 0 if not given.")
    ] = None,
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Lift pauses, all or none; by default sending grows from 10 % to 100 % of its pace in 60 s."""
    from console.controls import PlanOptions
    from console.controls import resume as run_resume

    plan = PlanOptions(
        immediately=immediately,
        ramp_from=ramp_from,
        ramp_over=ramp_over,
        canary=canary,
        watch=watch,
        max_failures=max_failures,
    )
    _call(
        data_dir,
        organization,
        lambda stubs: run_resume(stubs.control, control_ids, reason=reason, plan=plan, as_json=as_json),
    )


@app.command()
def controls(
    ended: Annotated[bool, typer.Option("--ended", help="Also those that have ended.")] = False,
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """List pauses."""
    from console.controls import controls as run_controls

    _call(data_dir, organization, lambda stubs: run_controls(stubs.control, live_only=not ended, as_json=as_json))


@app.command()
def explain(
    intent: Annotated[str, typer.Argument(help="An intent id, a request id, or your own reference such as lead-00042")],
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Say in one line what became of an intent, and show the rules that decided."""
    from console.operations import explain as run_explain

    _call(data_dir, organization, lambda stubs: run_explain(stubs, intent, as_json=as_json))


@app.command()
def timeline(
    intent: Annotated[str, typer.Argument(help="An intent id, a request id, or your own reference such as lead-00042")],
    html: Annotated[Path | None, typer.Option(dir_okay=False, help="Write one self-contained page there.")] = None,
    zone: Annotated[
        str, typer.Option(help="Tell times in this zone, such as America/Sao_Paulo; else the local one.")
    ] = "",
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show everything that happened to an intent, as a waterfall."""
    from zoneinfo import ZoneInfo

    from console.operations import timeline as run_timeline

    if html is not None and as_json:
        _stop("choose one of --html and --json", 2)
    try:
        zone_info = ZoneInfo(zone) if zone else None
    except (LookupError, ValueError, OSError):
        _stop(f"no time zone {zone!r}: name one such as America/Sao_Paulo or UTC", 2)
    _call(
        data_dir,
        organization,
        lambda stubs: run_timeline(stubs, intent, as_json=as_json, html=html, zone=zone_info),
    )


@app.command()
def stopped(
    pause: Annotated[str, typer.Argument(help="A pause's id, as `whatlead controls` shows it")] = "",
    campaign: Annotated[str, typer.Option(help="The newest pause of this campaign.")] = "",
    instance: Annotated[str, typer.Option(help="The newest pause of this sending number.")] = "",
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Say who paused, when the fence stood, and which send was the last to begin."""
    from console.operations import stopped as run_stopped
    from whatlead.audit.v1.timeline_pb2 import GetPauseTimelineRequest

    named = {"control_id": pause, "campaign_id": campaign, "instance_id": instance}
    given = {name: value for name, value in named.items() if value}
    if len(given) != 1:
        _stop("name one pause: its id, --campaign or --instance", 2)
    request = GetPauseTimelineRequest(**given)
    _call(data_dir, organization, lambda stubs: run_stopped(stubs, request, as_json=as_json))


@app.command()
def metrics(
    instance: Annotated[str, typer.Option(help="Only this sending number.")] = "",
    campaign: Annotated[str, typer.Option(help="Only this campaign.")] = "",
    window: Annotated[int, typer.Option(min=1, max=44640, help="Minutes.")] = 60,
    step: Annotated[int | None, typer.Option(min=1, max=44640, help="As points of so many minutes each.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every 2 s until Ctrl-C.")] = False,
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show the numbers of the organization, or of one instance or campaign."""
    from console.numbers import metrics as run_metrics

    with suppress(KeyboardInterrupt) if watch else nullcontext():
        _call(
            data_dir,
            organization,
            lambda stubs: run_metrics(
                stubs,
                instance=instance,
                campaign=campaign,
                window=window,
                step=step,
                watching=watch,
                as_json=as_json,
            ),
        )


@app.command()
def top(
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show which instances and campaigns send now, what stops them and what waits, until Ctrl-C; once in a pipe."""
    from console.top import top as run_top

    with suppress(KeyboardInterrupt):
        _call(data_dir, organization, lambda stubs: run_top(stubs, as_json=as_json))


@app.command()
def erase(
    reason: Annotated[str, typer.Option(help="Why, for the record; without the number.")],
    recipient_id: Annotated[str, typer.Option(help="In place of the number: the random id, after a restore.")] = "",
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Forget a person for good; the number is asked for, or read from standard input."""
    from console.subjects import erase as run_erase
    from console.subjects import read_number

    number = "" if recipient_id else read_number(confirm="What is held about this person goes for good. Go on?")
    _call(
        data_dir,
        organization,
        lambda stubs: run_erase(stubs, number, recipient_id=recipient_id, reason=reason, as_json=as_json),
    )


@app.command()
def export(
    reason: Annotated[str, typer.Option(help="Why, for the record; without the number.")],
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
) -> None:
    """Print all that is held about a person, as JSON; the number is asked for, or read from standard input."""
    from console.subjects import export as run_export
    from console.subjects import read_number

    number = read_number()
    _call(data_dir, organization, lambda stubs: run_export(stubs, number, reason=reason))


@app.command()
def outbox(data_dir: DataDir = _DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Show what each service still has to tell the others, and how much was refused (role platform)."""
    from console.outboxes import backlogs

    _call_as_platform(data_dir, lambda stubs: backlogs(stubs.outboxes, as_json=as_json))


@app.command()
def refused(data_dir: DataDir = _DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """List what was refused for good between the services, with the reason (role platform)."""
    from console.outboxes import refused as run_refused

    _call_as_platform(data_dir, lambda stubs: run_refused(stubs.outboxes, as_json=as_json))


@app.command()
def resend(
    service: Annotated[str, typer.Argument(help="Whose: gate, executor or control")],
    refused_ids: Annotated[list[int], typer.Argument(metavar="ID...", help="Which: see `whatlead refused`.")],
    data_dir: DataDir = _DEFAULT_DATA_DIR,
) -> None:
    """Send refused items again, once what refused them was mended (role platform)."""
    from console.outboxes import SENDERS
    from console.outboxes import resend as run_resend

    if service not in SENDERS:
        _stop(f"{service!r} has no outbox: choose {', '.join(SENDERS)}", 2)
    _call_as_platform(data_dir, lambda stubs: run_resend(stubs.outboxes[service], refused_ids))


@app.command()
def conserve(
    days: Annotated[int, typer.Option(min=1, max=3650, help="Only what was submitted in the last days.")] = 30,
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Compare intents and jobs with the events that audit has; exit status 1 if anything is missing."""
    from console.conservation import conserve as run_conserve

    _call(data_dir, organization, lambda stubs: run_conserve(stubs, days=days, as_json=as_json))


@app.command()
def verify(
    key: Annotated[list[Path] | None, typer.Option(help="A public key; <data folder>/evidence.pub if none.")] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Exported checkpoints; <data folder>/checkpoints, if it is there.")
    ] = None,
    event: Annotated[UUID | None, typer.Option(help="Prove only this event.")] = None,
    kept_since: Annotated[
        datetime | None, typer.Option(help="Bodies of events before this (UTC) may be gone, by your retention.")
    ] = None,
    organization: Organization = _DEFAULT_ORGANIZATION,
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Check that all recorded events are there, unchanged: trusts the public key and the exported checkpoints only.

    Bodies are those that the token may see: with a platform token (WHATLEAD_TOKEN) everyone's.
    """
    from console.verification import Outside
    from console.verification import verify as run_verify
    from console.verification import verify_event as run_verify_event

    exported = data_dir / "checkpoints"
    outside = Outside.open(key or [data_dir / "evidence.pub"], checkpoints or (exported if exported.exists() else None))
    since = kept_since.replace(tzinfo=UTC) if kept_since else None
    if event is not None:
        _call(
            data_dir, organization, lambda stubs: run_verify_event(stubs.evidence, outside, str(event), as_json=as_json)
        )
    else:
        _call(
            data_dir, organization, lambda stubs: run_verify(stubs.evidence, outside, kept_since=since, as_json=as_json)
        )


if __name__ == "__main__":
    main()
