"""Finding the poison in a batch, for any batch; and which failures are about the items at all."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.outbox import Parcel, Receiver, Refusal
from chassis.outbox.delivery import (
    Delivered,
    Outcome,
    Rejected,
    Sifted,
    Troubled,
    Unreachable,
    deliver,
    items_of,
    set_aside,
    sift,
)
from chassis.outbox.parcels import merged
from kernel.errors import Failure, Kind


def split(payload: bytes) -> list[tuple[str, bytes]]:
    return [(str(byte), bytes([byte])) for byte in payload]


def receiver(*, poison: dict[int, Kind], refused: set[int], accepted: list[int]) -> Receiver:
    async def take(payload: bytes) -> Sequence[Refusal]:
        for byte in payload:
            if byte in poison:
                raise Failure(poison[byte], "POISON", "no")
        accepted.extend(byte for byte in payload if byte not in refused)
        return [Refusal(item_id=str(byte), reason="REFUSED", message="no") for byte in payload if byte in refused]

    return Receiver(name="bytes", deliver=take, split=split)


@given(
    count=st.integers(1, 60),
    poison=st.sets(st.integers(0, 59), max_size=8),
    troubled=st.sets(st.integers(0, 59), max_size=3),
    refused=st.sets(st.integers(0, 59), max_size=8),
)
def test_sifting_delivers_every_good_item_once_and_names_every_bad_one(
    count: int, poison: set[int], troubled: set[int], refused: set[int]
) -> None:
    items = set(range(count))
    accepted: list[int] = []
    kinds = dict.fromkeys(poison, Kind.INVALID_ARGUMENT) | dict.fromkeys(troubled, Kind.INTERNAL)
    target = receiver(poison=kinds, refused=refused, accepted=accepted)
    sifted = Sifted()
    asyncio.run(sift(target, split(bytes(range(count))), sifted=sifted))
    assert sorted(accepted) == sorted(items - poison - troubled - refused)
    assert {int(refusal.item_id) for refusal in sifted.refusals} == items & ((poison - troubled) | (refused - troubled))
    assert sifted.troubled == bool(items & troubled)


async def test_sifting_ends_when_the_receiver_is_gone() -> None:
    target = receiver(poison={3: Kind.UNAVAILABLE, 1: Kind.INVALID_ARGUMENT}, refused=set(), accepted=[])
    sifted = Sifted()
    await sift(target, split(bytes(range(8))), sifted=sifted)
    assert sifted.unreachable == "POISON"


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (Failure(Kind.UNAVAILABLE, "AWAY", ""), Unreachable(reason="AWAY")),
        (Failure(Kind.DEADLINE_EXCEEDED, "SLOW", ""), Unreachable(reason="SLOW")),
        (Failure(Kind.PERMISSION_DENIED, "WHO", ""), Unreachable(reason="WHO")),
        (Failure(Kind.INVALID_ARGUMENT, "BAD", "b"), Rejected(reason="BAD", message="BAD: b")),
        (Failure(Kind.INTERNAL, "BROKEN", ""), Troubled(reason="BROKEN")),
        (Failure(Kind.RESOURCE_EXHAUSTED, "FULL", ""), Troubled(reason="FULL")),
        (ConnectionResetError(), Unreachable(reason="ConnectionResetError")),
        (ZeroDivisionError(), Troubled(reason="ZeroDivisionError")),
    ],
    ids=lambda value: str(getattr(value, "reason", type(value).__name__)),
)
async def test_failures_are_told_apart(raised: Exception, outcome: Outcome) -> None:
    async def take(payload: bytes) -> Sequence[Refusal]:
        raise raised

    assert await deliver(Receiver(name="r", deliver=take, split=split), b"a") == outcome


async def test_a_call_that_hangs_is_given_up() -> None:
    async def take(payload: bytes) -> Sequence[Refusal]:
        await asyncio.Event().wait()
        return []

    hanging = Receiver(name="r", deliver=take, split=split, timeout=timedelta(milliseconds=10))
    assert await deliver(hanging, b"a") == Unreachable(reason="TimeoutError")


async def test_an_answer_without_refusals_is_delivered() -> None:
    assert await deliver(receiver(poison={}, refused=set(), accepted=[]), b"ab") == Delivered(refusals=[])


def test_a_refused_item_is_set_aside_with_its_own_content() -> None:
    target = receiver(poison={}, refused=set(), accepted=[])
    parcels = [Parcel(receiver="bytes", payload=payload, items=2) for payload in (b"ab", b"cd")]
    refusals = [Refusal(item_id=str(ord("c")), reason="R", message="m"), Refusal(item_id="?", reason="R", message="m")]
    known, unknown = set_aside(target, parcels, refusals)
    assert (known.parcel, known.payload) == (parcels[1], b"c")
    assert (unknown.parcel, unknown.payload) == (parcels[0], b"")


def test_a_parcel_that_splits_into_nothing_is_one_item() -> None:
    parcel = Parcel(receiver="bytes", payload=b"ab", items=1)
    target = Receiver(name="bytes", deliver=receiver(poison={}, refused=set(), accepted=[]).deliver, split=lambda _: [])
    assert items_of(target, parcel) == [(str(parcel.parcel_id), b"ab")]


@given(
    sizes=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=30),
    max_bytes=st.integers(1, 50),
    max_items=st.integers(1, 10),
)
def test_merging_keeps_order_content_and_limits(sizes: list[tuple[int, int]], max_bytes: int, max_items: int) -> None:
    parcels = [
        Parcel(receiver="r", payload=bytes([number]) * size, items=items) for number, (size, items) in enumerate(sizes)
    ]
    result = merged(parcels, max_bytes=max_bytes, max_items=max_items)
    assert b"".join(parcel.payload for parcel in result) == b"".join(parcel.payload for parcel in parcels)
    assert sum(parcel.items for parcel in result) == sum(parcel.items for parcel in parcels)
    for parcel in result:
        assert parcel in parcels or (len(parcel.payload) <= max_bytes and parcel.items <= max_items)
