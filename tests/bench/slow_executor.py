"""The executor with a noop provider that takes its time: `python -m tests.bench.slow_executor`. Measures nothing."""

import sys
from collections.abc import Callable

from tests.bench.delay import answered

import executor.__main__ as product
from executor.domain.job import Message
from executor.domain.outcome import Sent
from executor.infrastructure.providers.noop import Noop


class SlowNoop(Noop):
    """Says yes, but late."""

    async def send(self, message: Message, begin: Callable[[], None]) -> Sent:
        sent = await super().send(message, begin)
        await answered()
        return sent


if __name__ == "__main__":
    product.Noop = SlowNoop  # type: ignore[misc]
    sys.exit(product.main())
