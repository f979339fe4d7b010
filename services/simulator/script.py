"""Fates written by a test instead of drawn: by attempt, intent, last digits or sender. Knows no wire."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter

from simulator.fate import Answer, Fate, PlannedStatus, StatusName

_USUAL = (
    PlannedStatus(status=StatusName.SENT, delay=0.01),
    PlannedStatus(status=StatusName.DELIVERED, delay=0.05),
    PlannedStatus(status=StatusName.READ, delay=0.1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedStatus:
    """A status told `copies` times, `delay` seconds after acceptance."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    status: StatusName
    delay: float = 0.0
    code: int | None = None
    copies: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedFate:
    """The fate of the next `times` sends that fit every condition given; no condition fits every send."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    attempt_id: str | None = None
    intent_id: str | None = None
    recipient_suffix: str | None = None
    phone_number_id: str | None = None
    times: int = 1

    answer: Answer = Answer.ACCEPTED
    latency: float = 0.0
    hang: float = 30.0
    abrupt: bool = True
    code: int | None = None
    http_status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    statuses: tuple[ScriptedStatus, ...] | None = None

    def __post_init__(self) -> None:
        if self.answer is Answer.REFUSED and self.code is None and self.http_status is None:
            raise ValueError("answer refused needs a code, an http_status or both")
        if self.times < 1:
            raise ValueError("times must be 1 or more")

    def fits(self, *, attempt_id: str | None, recipient: str, phone_number_id: str) -> bool:
        """Say whether this fate is meant for a send."""
        return (
            self.attempt_id in (None, attempt_id)
            and (self.intent_id is None or (attempt_id or "").rpartition(".")[0] == self.intent_id)
            and (self.recipient_suffix is None or recipient.endswith(self.recipient_suffix))
            and self.phone_number_id in (None, phone_number_id)
        )

    def fate(self) -> Fate:
        """Return the fate as written; without statuses: sent, delivered and read, quickly."""
        statuses: tuple[PlannedStatus, ...] = _USUAL
        if self.statuses is not None:
            statuses = tuple(
                PlannedStatus(status=told.status, delay=told.delay, code=told.code)
                for told in self.statuses
                for _ in range(told.copies)
            )
        return Fate(
            answer=self.answer,
            latency=self.latency,
            hang=self.hang,
            abrupt=self.abrupt,
            code=self.code,
            http_status=self.http_status,
            headers=self.headers,
            statuses=statuses,
        )


_ADAPTER = TypeAdapter(tuple[ScriptedFate, ...])


def read_script(content: bytes) -> tuple[ScriptedFate, ...]:
    """Read a JSON array of fates; raises ValueError naming each bad field."""
    return _ADAPTER.validate_json(content)


class Script:
    """Hand out scripted fates, first written first used, each as often as it says."""

    def __init__(self) -> None:
        self._left: list[tuple[ScriptedFate, int]] = []

    def add(self, fates: Sequence[ScriptedFate]) -> None:
        """Append fates behind those still waiting."""
        self._left.extend((fate, fate.times) for fate in fates)

    def clear(self) -> None:
        """Forget every fate not yet used."""
        self._left.clear()

    def left(self) -> int:
        """Return how many sends are still scripted."""
        return sum(times for _, times in self._left)

    def take(self, *, attempt_id: str | None, recipient: str, phone_number_id: str) -> Fate | None:
        """Use up and return the first fate meant for this send, or None to let it be drawn."""
        for index, (fate, times) in enumerate(self._left):
            if fate.fits(attempt_id=attempt_id, recipient=recipient, phone_number_id=phone_number_id):
                if times > 1:
                    self._left[index] = (fate, times - 1)
                else:
                    del self._left[index]
                return fate.fate()
        return None
