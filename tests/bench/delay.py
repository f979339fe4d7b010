"""A provider that takes its time and has so many places: the same for whatlead and for a queue. Knows neither."""

import asyncio
import random

LEAST_SECONDS, MOST_SECONDS = 0.05, 0.2
SLOTS = 200
MOST_A_SECOND = SLOTS / ((LEAST_SECONDS + MOST_SECONDS) / 2)


async def answered() -> None:
    """Wait for as long as the provider takes to answer."""
    await asyncio.sleep(random.uniform(LEAST_SECONDS, MOST_SECONDS))
