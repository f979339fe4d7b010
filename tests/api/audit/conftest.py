"""Audit served in this process, on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.postgres import Databases
from tests.serving import RunningServer, running_process, settings_of

from audit.__main__ import compose
from audit.settings import AuditSettings


@pytest.fixture
async def audit(databases: Databases, tmp_path: Path) -> AsyncIterator[RunningServer]:
    """The whole service as its composition root makes it."""
    settings = settings_of(
        "audit",
        AuditSettings,
        database_url=await databases.url("audit"),
        evidence_checkpoint_file=tmp_path / "checkpoints",
    )
    async with compose(settings) as process, running_process(process) as server:
        yield server
