"""Forget and hand out what is held about a person; see that nothing is lost and nothing was changed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from console.commands.frame import (
    DEFAULT_DATA_DIR,
    DEFAULT_ORGANIZATION,
    AsJson,
    DataDir,
    Organization,
    call,
    call_as_platform,
    stop,
)

app = typer.Typer()


@app.command()
def erase(
    reason: Annotated[str, typer.Option(help="Why, for the record; without the number.")],
    recipient_id: Annotated[str, typer.Option(help="In place of the number: the random id, after a restore.")] = "",
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Forget a person for good; the number is asked for, or read from standard input."""
    from console.subjects import erase as run_erase
    from console.subjects import read_number

    number = "" if recipient_id else read_number(confirm="What is held about this person goes for good. Go on?")
    call(
        data_dir,
        organization,
        lambda stubs: run_erase(stubs, number, recipient_id=recipient_id, reason=reason, as_json=as_json),
    )


@app.command()
def export(
    reason: Annotated[str, typer.Option(help="Why, for the record; without the number.")],
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print all that is held about a person, as JSON; the number is asked for, or read from standard input."""
    from console.subjects import export as run_export
    from console.subjects import read_number

    number = read_number()
    call(data_dir, organization, lambda stubs: run_export(stubs, number, reason=reason))


@app.command()
def outbox(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """Show what each service still has to tell the others, and how much was refused (role platform)."""
    from console.outboxes import backlogs

    call_as_platform(data_dir, lambda stubs: backlogs(stubs.outboxes, as_json=as_json))


@app.command()
def refused(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """List what was refused for good between the services, with the reason (role platform)."""
    from console.outboxes import refused as run_refused

    call_as_platform(data_dir, lambda stubs: run_refused(stubs.outboxes, as_json=as_json))


@app.command()
def resend(
    service: Annotated[str, typer.Argument(help="Whose: gate, executor or control")],
    refused_ids: Annotated[list[int], typer.Argument(metavar="ID...", help="Which: see `whatlead refused`.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send refused items again, once what refused them was mended (role platform)."""
    from console.outboxes import SENDERS
    from console.outboxes import resend as run_resend

    if service not in SENDERS:
        stop(f"{service!r} has no outbox: choose {', '.join(SENDERS)}", 2)
    call_as_platform(data_dir, lambda stubs: run_resend(stubs.outboxes[service], refused_ids))


@app.command()
def conserve(
    days: Annotated[int, typer.Option(min=1, max=3650, help="Only what was submitted in the last days.")] = 30,
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Compare intents and jobs with the events that audit has; exit status 1 if anything is missing."""
    from console.conservation import conserve as run_conserve

    call(data_dir, organization, lambda stubs: run_conserve(stubs, days=days, as_json=as_json))


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
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
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
        call(
            data_dir, organization, lambda stubs: run_verify_event(stubs.evidence, outside, str(event), as_json=as_json)
        )
    else:
        call(
            data_dir, organization, lambda stubs: run_verify(stubs.evidence, outside, kept_since=since, as_json=as_json)
        )
