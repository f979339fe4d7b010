"""What arrived and what was accepted, for checks from outside. Never sees a recipient or a text."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

CAPACITY = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request to the message endpoint. `arrived_at` is its first byte, in epoch seconds."""

    arrived_at: float
    phone_number_id: str
    attempt_id: str | None
    outcome: str
    code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One message that goes out, whatever its caller was told. Times in epoch seconds."""

    attempt_id: str | None
    wamid: str
    phone_number_id: str
    arrived_at: float
    accepted_at: float


class Ledger:
    """Keep the last CAPACITY entries of each kind and say so when older ones were dropped."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.arrivals: deque[Arrival] = deque(maxlen=capacity)
        self.accepted: deque[Accepted] = deque(maxlen=capacity)
        self._arrived = 0
        self._accepted = 0
        self._outcomes: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()

    def record_arrival(self, arrival: Arrival) -> None:
        """Keep a request, whatever becomes of it."""
        self.arrivals.append(arrival)
        self._arrived += 1
        self._outcomes[arrival.outcome] += 1
        if arrival.code is not None:
            self._codes[str(arrival.code)] += 1

    @property
    def accepted_count(self) -> int:
        """Return how many messages were accepted since the start or the last clear."""
        return self._accepted

    def record_accepted(self, accepted: Accepted) -> None:
        """Keep a message that goes out."""
        self.accepted.append(accepted)
        self._accepted += 1

    def clear(self) -> None:
        """Forget everything."""
        self.arrivals.clear()
        self.accepted.clear()
        self._arrived = self._accepted = 0
        self._outcomes.clear()
        self._codes.clear()

    def summary(self) -> dict[str, Any]:
        """Count what is kept; looks at every accepted message, so ask when it is over."""
        attempts = Counter(entry.attempt_id for entry in self.accepted if entry.attempt_id is not None)
        intents: Counter[str] = Counter()
        for attempt, times in attempts.items():
            intents[attempt.rpartition(".")[0] or attempt] += times
        return {
            "arrivals": self._arrived,
            "accepted": self._accepted,
            "dropped": self._arrived - len(self.arrivals) + self._accepted - len(self.accepted),
            "outcomes": dict(self._outcomes),
            "codes": dict(self._codes),
            "intents_accepted": len(intents),
            "attempts_accepted_twice": sum(times > 1 for times in attempts.values()),
            "intents_accepted_twice": sum(times > 1 for times in intents.values()),
        }
