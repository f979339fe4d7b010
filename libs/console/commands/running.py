"""Start the system or one service, and make what it needs to start."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from console.commands.frame import (
    DEFAULT_DATA_DIR,
    DEFAULT_ORGANIZATION,
    DataDir,
    Organization,
    PortBase,
    run,
    stop,
)

app = typer.Typer()


@app.command()
def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    port_base: PortBase = 7000,
    executors: Annotated[int, typer.Option(min=1, max=8, help="How many executors share the work.")] = 1,
) -> None:
    """Start PostgreSQL, the simulator and all services here, and keep them running until Ctrl-C."""
    from console.up import up as run_up

    run(run_up(data_dir, port_base=port_base, executors=executors, organization=DEFAULT_ORGANIZATION))


@app.command()
def demo(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    file: Annotated[Path | None, typer.Option(help="Leads to send to; the built-in sample if not given.")] = None,
) -> None:
    """Run a whole campaign: submit, pause half-way, resume, account for every row, explain one."""
    from console.demo import demo as run_demo

    run(run_demo(data_dir, file))


@app.command()
def serve(service: Annotated[str, typer.Argument(help="gate, executor, control or audit")]) -> None:
    """Run one service with the settings of its environment (docs/settings.md)."""
    from console.ports import SERVICES

    if service not in SERVICES:
        stop(f"no service {service!r}: choose one of {', '.join(SERVICES)}", 2)
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
        stop(f"unknown service: {', '.join(unknown)}" if unknown else f"set {', '.join(missing)}", 2)

    async def all_of_them() -> None:
        for one in chosen:
            await run_migrate(database_url, one, os.environ[f"WHATLEAD_{one.upper()}_PASSWORD"])
            print(f"{one}: up to date")

    try:
        run(all_of_them())
    except (ArgumentError, DBAPIError, PostgresError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        stop(f"the database did not take it ({type(cause).__name__}: {cause}); check --database-url", 3)


@app.command()
def keys(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Make a certificate authority, the services' certificates and a token signing key, where there are none."""
    from console.pki import ensure

    data_dir.mkdir(parents=True, exist_ok=True)
    ensure(data_dir)


@app.command()
def token(
    organization: Organization = DEFAULT_ORGANIZATION,
    role: Annotated[str, typer.Option(help="owner, admin, member or platform")] = "owner",
    subject: Annotated[str, typer.Option(help="Who it is for.")] = "operator",
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 30, help="How long it holds.")] = 12,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print a token signed with the data folder's key."""
    from datetime import timedelta

    from console.pki import mint_token

    if role not in {"owner", "admin", "member", "platform"}:
        stop(f"no role {role!r}: choose owner, admin, member or platform", 2)
    if not (data_dir / "ca.pem").exists():
        stop(f"no keys in {data_dir}: run `whatlead up` once, or name its folder with --data-dir", 3)
    print(mint_token(data_dir, subject=subject, organization_id=organization, role=role, ttl=timedelta(hours=hours)))
