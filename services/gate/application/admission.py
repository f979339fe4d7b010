"""Refuse new intents while too many events wait for audit. Knows not why they wait."""

from collections.abc import Callable
from datetime import timedelta

from kernel.errors import Failure, Kind

_RETRY_AFTER = timedelta(seconds=5)


def refuse_beyond(most: int, *, waiting: Callable[[], int]) -> None:
    """Raise `Failure` RESOURCE_EXHAUSTED, QUEUE_FULL while `most` events or more wait."""
    if (events := waiting()) >= most:
        raise Failure(
            Kind.RESOURCE_EXHAUSTED,
            "QUEUE_FULL",
            f"{events} events wait for audit and at most {most} may; nothing was stored, submit again later",
            retry_after=_RETRY_AFTER,
        )
