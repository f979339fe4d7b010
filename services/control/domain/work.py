"""How much work there is, and how much of it a pause would stop. Knows no pause."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

MOST_LISTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Intents that wait with the gate, jobs that wait with the executor, and sends that may have begun."""

    intents: int = 0
    jobs: int = 0
    in_flight: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            intents=self.intents + other.intents,
            jobs=self.jobs + other.jobs,
            in_flight=self.in_flight + other.in_flight,
        )

    @property
    def total(self) -> int:
        """All of it."""
        return self.intents + self.jobs + self.in_flight


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopedWork:
    """The work of one instance (empty: not chosen yet) in one campaign."""

    organization_id: str
    instance_id: str
    campaign_id: str
    work: Work


Part = tuple[str, str, Work]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadius:
    """What a pause would stop: in all, and by each organization's campaigns and instances, the largest first."""

    total: Work
    campaigns: Sequence[Part]
    instances: Sequence[Part]


def blast_radius(counts: Iterable[ScopedWork]) -> BlastRadius:
    """Sum up what was counted."""
    counted = [count for count in counts if count.work.total]
    return BlastRadius(
        total=sum((count.work for count in counted), Work()),
        campaigns=_largest(counted, lambda count: count.campaign_id),
        instances=_largest(counted, lambda count: count.instance_id),
    )


def _largest(counted: Iterable[ScopedWork], name: Callable[[ScopedWork], str]) -> Sequence[Part]:
    sums: dict[tuple[str, str], Work] = {}
    for count in counted:
        key = (count.organization_id, name(count))
        sums[key] = sums.get(key, Work()) + count.work
    parts = sorted(sums.items(), key=lambda part: (-part[1].total, part[0]))
    return [(organization_id, named, work) for (organization_id, named), work in parts[:MOST_LISTED]]
