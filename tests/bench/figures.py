"""Turn a piece of work into figures: its rate, its processor time, the memory after it. Knows no contestant."""

import time
from collections.abc import Awaitable

from tests.bench.processor_time import Processes, used_per_message
from tests.bench.samples import Measure, Sample


async def timed(
    contestant: str, counted: Processes, messages: int, work: Awaitable[object], rate: Measure, processor: Measure
) -> tuple[Sample, Sample]:
    """Await `work` on so many messages, and return how many a second and the processor time of one by process."""
    before, start = counted.seconds(), time.perf_counter()
    await work
    seconds = time.perf_counter() - start
    used = used_per_message(before, counted.seconds(), messages)
    return (
        Sample(contestant=contestant, measure=rate, value=messages / seconds),
        Sample(contestant=contestant, measure=processor, value=sum(used.values()) / 1000, parts=used),
    )


def memory(contestant: str, counted: Processes) -> Sample:
    """Return the memory in use now by process."""
    used = counted.resident_megabytes()
    return Sample(contestant=contestant, measure=Measure.MEMORY, value=sum(used.values()), parts=used)
