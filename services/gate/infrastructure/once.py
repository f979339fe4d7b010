"""Make once what many share: decisions that are alike are one object in a batch. Knows nothing of what is made."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Once(Generic[T, R]):
    """Calls `make` once for each object, however often it is asked; for the time of one batch."""

    def __init__(self, make: Callable[[T], R]) -> None:
        self._make = make
        self._made: dict[int, tuple[T, R]] = {}

    def __call__(self, one: T) -> R:
        known = self._made.get(id(one))
        if known is None:
            known = self._made[id(one)] = one, self._make(one)  # kept with it: no other object gets its id meanwhile
        return known[1]
