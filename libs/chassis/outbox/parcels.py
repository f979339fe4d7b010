"""The words of the outbox: parcels, their receivers and what receivers refuse. Knows no database and no wire."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from kernel.errors import Failure, Kind
from kernel.ids import moment_of, uuid7


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One transaction's batch for one receiver, serialised as the request that carries it."""

    receiver: str
    payload: bytes = field(repr=False)
    items: int
    parcel_id: UUID = field(default_factory=uuid7)
    tries: int = 0

    def __post_init__(self) -> None:
        if self.items < 1:
            raise ValueError("a parcel holds at least one item")

    @property
    def age(self) -> float:
        """Seconds since it was made, by this machine's clock."""
        return (datetime.now(UTC) - moment_of(self.parcel_id)).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One item that the receiver will never take, and why."""

    item_id: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where parcels go.

    `deliver` makes the call and returns the items refused; it raises `Failure` when the call as a whole failed. It must
    be idempotent: delivery is at least once and in no order. `split` takes a payload apart into (item id, payload of
    that item alone). Payloads concatenate into one request of at most `max_bytes` and `max_items`; a parcel that is
    larger by itself goes alone. `linger` is how long a lone parcel waits for company.
    """

    name: str
    deliver: Callable[[bytes], Awaitable[Sequence[Refusal]]]
    split: Callable[[bytes], Iterable[tuple[str, bytes]]]
    linger: timedelta = timedelta(0)
    max_bytes: int = 1_000_000
    max_items: int = 1_000
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A refused item on its way to the table of refused items."""

    parcel: Parcel
    item_id: str
    payload: bytes = field(repr=False)
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for one receiver, in the table."""

    receiver: str
    parcels: int
    items: int
    oldest: timedelta


def check_size(receiver: Receiver, parcel: Parcel) -> None:
    """Raise `Failure` for an item that no call could carry: where it is made, not after it was stored."""
    if len(parcel.payload) <= receiver.max_bytes:
        return
    for item_id, payload in receiver.split(parcel.payload):
        if len(payload) > receiver.max_bytes:
            raise Failure(
                Kind.INVALID_ARGUMENT,
                "LIMIT_EXCEEDED",
                f"item {item_id} has {len(payload)} bytes; {receiver.name} takes at most {receiver.max_bytes}",
            )


def merged(parcels: Iterable[Parcel], *, max_bytes: int, max_items: int) -> list[Parcel]:
    """Join the parcels for one receiver into as few as the limits allow, in order."""
    result: list[Parcel] = []
    group: list[Parcel] = []
    size = items = 0
    for parcel in parcels:
        if group and (size + len(parcel.payload) > max_bytes or items + parcel.items > max_items):
            result.append(_joined(group))
            group, size, items = [], 0, 0
        group.append(parcel)
        size += len(parcel.payload)
        items += parcel.items
    return [*result, _joined(group)] if group else result


def _joined(group: Sequence[Parcel]) -> Parcel:
    if len(group) == 1:
        return group[0]
    return Parcel(
        receiver=group[0].receiver,
        payload=b"".join(parcel.payload for parcel in group),
        items=sum(parcel.items for parcel in group),
    )
