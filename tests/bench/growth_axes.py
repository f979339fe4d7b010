"""Let work grow, size by size: what is queued, instances, organizations, jobs that are over. Measures nothing.

What grows is copied in SQL from what a few messages have left.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import asyncpg
from tests.bench import governed
from tests.bench.governed import INSTANCES, ORGANIZATION
from tests.bench.loads import FULL
from tests.bench.mass import Mass, copy, keep_template, settle
from tests.bench.waiting import pause_with_one_of_each

from console.connection import Clients
from console.system import System

_STEP = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running system, an organization's stubs, and the database."""

    system: System
    stubs: Clients
    connection: asyncpg.Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Whose messages are submitted, for which instances, so many a call."""

    organizations: tuple[str, ...] = (ORGANIZATION,)
    instances: tuple[str, ...] = INSTANCES
    batch: int = 500
    in_flight: int = 4


async def queued(site: Site) -> AsyncIterator[tuple[int, Traffic]]:
    """Intents that the gate holds for a paused campaign beside the one that sends; a tenth come due in time."""
    campaign = governed.new_campaign()
    await pause_with_one_of_each(site.system, site.stubs, campaign)
    mass = Mass(site.connection, campaign)
    await mass.keep_templates()
    for size in (0, 10_000, 100_000, 1_000_000):
        await mass.put(intents=size, jobs=0)
        yield size, Traffic()
        await mass.take_out()


async def instances(site: Site) -> AsyncIterator[tuple[int, Traffic]]:
    """Instances of one organization, all of which send."""
    await keep_template(site.connection, "gate.instance", f"organization_id = '{ORGANIZATION}'")
    made = 0
    for size in (1, 100, 10_000):
        await copy(site.connection, "gate.instance", range(made, size), {"instance_id": "'many-' || nth"})
        await settle(site.connection, "gate.instance")
        made = size
        yield size, Traffic(instances=tuple(f"many-{number}" for number in range(1, size + 1)))


async def organizations(site: Site) -> AsyncIterator[tuple[int, Traffic]]:
    """Organizations with an instance each, all of which send; ten messages a call, so that calls are alike."""
    for table in ("gate.organization", "gate.instance"):
        await keep_template(site.connection, table, f"organization_id = '{ORGANIZATION}'")
    made = 0
    for size in (1, 10, 100, 1_000):
        for table in ("gate.organization", "gate.instance"):
            changed = {"organization_id": "'many-' || nth", "instance_id": f"'{INSTANCES[0]}'"}
            await copy(site.connection, table, range(made, size), changed)
            await settle(site.connection, table)
        made = size
        names = tuple(f"many-{number}" for number in range(1, size + 1))
        yield size, Traffic(organizations=names, instances=INSTANCES[:1], batch=10, in_flight=32)


async def jobs(site: Site) -> AsyncIterator[tuple[int, Traffic]]:
    """Jobs that were sent in the last sixty days, each with its attempt."""
    await governed.submit_bulk(site.stubs, governed.new_campaign(), FULL.warm_up, FULL)
    sent = "SELECT intent_id FROM executor.job WHERE state = 'SENT' LIMIT 1"
    await keep_template(site.connection, "executor.job", f"intent_id = ({sent})")
    await keep_template(site.connection, "executor.attempt", f"intent_id = ({sent})")
    made = 0
    for size in (0, 1_000_000, 10_000_000):
        for first in range(made, size, _STEP):
            for table in ("executor.job", "executor.attempt"):
                await copy(site.connection, table, range(first, first + _STEP), {"intent_id": _OLD_ID})
        await settle(site.connection, "executor.job", "executor.attempt")
        made = size
        yield size, Traffic()


# Version 7, rising with the number, from sixty days ago to now if there are ten million.
_MILLISECOND = "CAST(extract(epoch FROM now() - interval '60 days') * 1000 + nth * 518.4 AS bigint)"
_OLD_ID = f"CAST(lpad(to_hex({_MILLISECOND}), 12, '0') || '70008000' || lpad(to_hex(nth), 12, '0') AS uuid)"

AXES: dict[str, Callable[[Site], AsyncIterator[tuple[int, Traffic]]]] = {
    axis.__name__: axis for axis in (queued, instances, organizations, jobs)
}
