"""Make one delivery and say what came of it; find the poison in a batch. Knows no database, no queue and no backoff."""

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

import structlog

from chassis.outbox.parcels import Parcel, Receiver, Refusal, SetAside
from kernel.errors import Failure, Kind

_NOT_ABOUT_THE_ITEMS = frozenset(
    {
        Kind.UNAVAILABLE,
        Kind.DEADLINE_EXCEEDED,
        Kind.UNAUTHENTICATED,
        Kind.PERMISSION_DENIED,
        Kind.FAILED_PRECONDITION,
    }
)
_log = structlog.get_logger("outbox")

Item = tuple[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The receiver answered for every item."""

    refusals: Sequence[Refusal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """The call did not get through; the same call may later."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The receiver will never take this call as it is."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubled:
    """The receiver could not say; perhaps for one item, perhaps for all."""

    reason: str


Outcome = Delivered | Unreachable | Rejected | Troubled


async def deliver(receiver: Receiver, payload: bytes) -> Outcome:
    """Make the call and classify what came of it."""
    try:
        async with asyncio.timeout(receiver.timeout.total_seconds()):
            return Delivered(refusals=await receiver.deliver(payload))
    except Failure as failure:
        if failure.kind in _NOT_ABOUT_THE_ITEMS or failure.retry_after is not None:  # asked to come again later
            return Unreachable(reason=failure.reason)
        if failure.kind is Kind.INVALID_ARGUMENT:
            return Rejected(reason=failure.reason, message=str(failure))
        return Troubled(reason=failure.reason)
    except (OSError, TimeoutError) as error:
        return Unreachable(reason=type(error).__name__)
    except Exception as error:  # noqa: BLE001 - one item's trouble must not end the process
        _log.error("outbox.delivery_raised", receiver=receiver.name, **_where(error))
        return Troubled(reason=type(error).__name__)


@dataclass(slots=True, kw_only=True)
class Sifted:
    """What became of items that were refused together and then tried in ever smaller groups."""

    refusals: list[Refusal] = field(default_factory=list)
    troubled: bool = False
    unreachable: str | None = None


async def sift(receiver: Receiver, items: Sequence[Item], *, sifted: Sifted, known: Outcome | None = None) -> None:
    """Deliver `items` in halves until the bad ones stand alone. `known` is what came of them together, if tried."""
    if sifted.unreachable is not None or not items:
        return
    outcome = known if known is not None else await deliver(receiver, b"".join(payload for _, payload in items))
    match outcome:
        case Delivered():
            sifted.refusals.extend(outcome.refusals)
        case Unreachable():
            sifted.unreachable = outcome.reason
        case Rejected() if len(items) == 1:
            item_id, _ = items[0]
            sifted.refusals.append(Refusal(item_id=item_id, reason=outcome.reason, message=outcome.message))
        case Troubled() if len(items) == 1:
            sifted.troubled = True
        case Rejected() | Troubled():
            middle = len(items) // 2
            await sift(receiver, items[:middle], sifted=sifted)
            await sift(receiver, items[middle:], sifted=sifted)
        case _:
            assert_never(outcome)


def items_of(receiver: Receiver, parcel: Parcel) -> list[Item]:
    """Take a parcel apart; one that cannot be read is a single item under the parcel's own id."""
    try:
        items = list(receiver.split(parcel.payload))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it must not block others
        _log.error(
            "outbox.parcel_unreadable", receiver=parcel.receiver, parcel_id=str(parcel.parcel_id), **_where(error)
        )
        items = []
    return items or [(str(parcel.parcel_id), parcel.payload)]


def set_aside(receiver: Receiver, parcels: Sequence[Parcel], refusals: Sequence[Refusal]) -> list[SetAside]:
    """Find the refused items in the parcels they came with."""
    if not refusals:
        return []
    contents = {item_id: (parcel, payload) for parcel in parcels for item_id, payload in items_of(receiver, parcel)}
    result = []
    for refusal in refusals:
        parcel, payload = contents.get(refusal.item_id, (parcels[0], b""))
        result.append(
            SetAside(
                parcel=parcel,
                item_id=refusal.item_id,
                payload=payload,
                reason=refusal.reason,
                message=refusal.message,
            )
        )
    return result


def _where(error: Exception) -> dict[str, str]:
    """Say what was raised and where; neither its message nor local variables, which may hold what is delivered."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "where": f"{last.filename}:{last.lineno}"}
