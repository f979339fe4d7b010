"""Submit, stop and go on."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from console.commands.frame import (
    DEFAULT_DATA_DIR,
    DEFAULT_ORGANIZATION,
    AsJson,
    DataDir,
    Organization,
    call,
    stop,
)

app = typer.Typer()


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Leads: .csv with a header, or .jsonl")],
    run: Annotated[str | None, typer.Option(help="Names this run; the same run never sends a row twice.")] = None,
    country: Annotated[str, typer.Option(help="Whose national number format the file may use.")] = "BR",
    hold_if_paused: Annotated[bool, typer.Option(help="Wait for a resume instead of being blocked.")] = False,
    results: Annotated[Path | None, typer.Option(help="Where results go: FILE.results.csv if not given.")] = None,
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Submit a file of leads; run it again to go on where it stopped."""
    from console.operations import submit_file

    path = results or file.with_name(f"{file.name}.results.csv")
    call(
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
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Stop sending in a scope; answers when no send in it can begin any more."""
    from console.controls import pause as run_pause

    if sum(map(bool, (campaign, instance, whole_organization))) != 1:
        stop("name what to stop: one of --campaign, --instance, --all", 2)
    call(
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
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
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
    call(
        data_dir,
        organization,
        lambda stubs: run_resume(stubs.control, control_ids, reason=reason, plan=plan, as_json=as_json),
    )


@app.command()
def controls(
    ended: Annotated[bool, typer.Option("--ended", help="Also those that have ended.")] = False,
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """List pauses."""
    from console.controls import controls as run_controls

    call(data_dir, organization, lambda stubs: run_controls(stubs.control, live_only=not ended, as_json=as_json))
