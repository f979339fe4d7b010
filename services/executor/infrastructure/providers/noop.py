"""A provider that sends nothing and says yes, for benchmarks and tests. It obeys the last hook like any other."""

from collections.abc import Callable

from executor.domain.job import Message
from executor.domain.outcome import Sent


class Noop:
    """Answers at once, in process."""

    async def send(self, message: Message, begin: Callable[[], None]) -> Sent:
        """Pass the last hook and answer yes; the hook is where another provider's first byte would leave."""
        begin()
        return Sent(provider_message_id=f"noop.{message.attempt_id}")

    async def health(self) -> bool:
        """There is nothing to reach."""
        return True
