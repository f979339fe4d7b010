"""Ask what happened, and how much of it."""

from contextlib import nullcontext, suppress
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
def explain(
    intent: Annotated[str, typer.Argument(help="An intent id, a request id, or your own reference such as lead-00042")],
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Say in one line what became of an intent, and show the rules that decided."""
    from console.operations import explain as run_explain

    call(data_dir, organization, lambda stubs: run_explain(stubs, intent, as_json=as_json))


@app.command()
def timeline(
    intent: Annotated[str, typer.Argument(help="An intent id, a request id, or your own reference such as lead-00042")],
    html: Annotated[Path | None, typer.Option(dir_okay=False, help="Write one self-contained page there.")] = None,
    zone: Annotated[
        str, typer.Option(help="Tell times in this zone, such as America/Sao_Paulo; else the local one.")
    ] = "",
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show everything that happened to an intent, as a waterfall."""
    from zoneinfo import ZoneInfo

    from console.operations import timeline as run_timeline

    if html is not None and as_json:
        stop("choose one of --html and --json", 2)
    try:
        zone_info = ZoneInfo(zone) if zone else None
    except (LookupError, ValueError, OSError):
        stop(f"no time zone {zone!r}: name one such as America/Sao_Paulo or UTC", 2)
    call(
        data_dir,
        organization,
        lambda stubs: run_timeline(stubs, intent, as_json=as_json, html=html, zone=zone_info),
    )


@app.command()
def stopped(
    pause: Annotated[str, typer.Argument(help="A pause's id, as `whatlead controls` shows it")] = "",
    campaign: Annotated[str, typer.Option(help="The newest pause of this campaign.")] = "",
    instance: Annotated[str, typer.Option(help="The newest pause of this sending number.")] = "",
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Say who paused, when the fence stood, and which send was the last to begin."""
    from console.operations import stopped as run_stopped
    from whatlead.audit.v1.timeline_pb2 import GetPauseTimelineRequest

    named = {"control_id": pause, "campaign_id": campaign, "instance_id": instance}
    given = {name: value for name, value in named.items() if value}
    if len(given) != 1:
        stop("name one pause: its id, --campaign or --instance", 2)
    request = GetPauseTimelineRequest(**given)
    call(data_dir, organization, lambda stubs: run_stopped(stubs, request, as_json=as_json))


@app.command()
def metrics(
    instance: Annotated[str, typer.Option(help="Only this sending number.")] = "",
    campaign: Annotated[str, typer.Option(help="Only this campaign.")] = "",
    window: Annotated[int, typer.Option(min=1, max=44640, help="Minutes.")] = 60,
    step: Annotated[int | None, typer.Option(min=1, max=44640, help="As points of so many minutes each.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every 2 s until Ctrl-C.")] = False,
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show the numbers of the organization, or of one instance or campaign."""
    from console.numbers import metrics as run_metrics

    with suppress(KeyboardInterrupt) if watch else nullcontext():
        call(
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
    organization: Organization = DEFAULT_ORGANIZATION,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Show which instances and campaigns send now, what stops them and what waits, until Ctrl-C; once in a pipe."""
    from console.top import top as run_top

    with suppress(KeyboardInterrupt):
        call(data_dir, organization, lambda stubs: run_top(stubs, as_json=as_json))
