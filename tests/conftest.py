"""Fixtures for every suite: PostgreSQL, and databases of one service each."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from chassis.database import Database
from chassis.postgres_embedded import EmbeddedPostgres

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.postgres import Databases


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for this test process."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def _templates(postgres: EmbeddedPostgres) -> Databases:
    return Databases(postgres)


@pytest.fixture
async def databases(_templates: Databases) -> AsyncIterator[Databases]:
    """Make databases, by URL or connected; all are gone when the test ends."""
    async with _templates.for_one_test() as databases:
        yield databases


@pytest.fixture
def service_database(databases: Databases) -> Callable[[str], Awaitable[Database]]:
    """`await service_database("gate")`: a fresh, migrated database, connected under the role of that service."""
    return databases.database


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what passing tests want to be read: `record_property("told", …)`."""
    told = [dict(report.user_properties).get("told") for report in terminalreporter.getreports("passed")]
    if any(told):
        terminalreporter.section("told by tests")
    for line in filter(None, told):
        terminalreporter.write_line(str(line))
