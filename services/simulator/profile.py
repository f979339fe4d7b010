"""How well the provider behaves, as data: shares, delays and error codes. Knows no message."""

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter


@dataclass(frozen=True, slots=True)
class Range:
    """Seconds from `low` to `high`, drawn uniformly."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError("a range needs 0 <= low <= high")

    def at(self, draw: float) -> float:
        """Return the point of the range for a draw in [0, 1)."""
        return self.low + (self.high - self.low) * draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A share of sends answered with an error and not accepted.

    Without a `code` the body is a page no client can read. `http_status` defaults to the one of the code.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    share: float
    code: int | None = None
    http_status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.code is None and self.http_status is None:
            raise ValueError("a refusal needs a code, an http_status or both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A share of accepted messages that end in a `failed` status with `code`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    share: float
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Shares are of all sends (0 to 1), those of webhooks are of accepted messages or their statuses."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    latency: Range
    slow_share: float = 0
    slow_latency: Range = Range(0, 0)

    refusals: tuple[Refusal, ...] = ()
    hang_before_acceptance_share: float = 0
    hang_after_acceptance_share: float = 0
    hang: Range = Range(30, 30)
    reset_before_acceptance_share: float = 0
    lost_answer_share: float = 0
    garbage_share: float = 0

    failing: tuple[Failing, ...] = ()
    sent_delay: Range = Range(0, 0)
    delivered_delay: Range = Range(0, 0)
    read_delay: Range = Range(0, 0)
    read_share: float = 1
    delivered_skipped_share: float = 0
    duplicate_share: float = 0
    disorder_share: float = 0
    short_form_share: float = 0
    batch_window: float = 0
    batch_size: int = 1

    def __post_init__(self) -> None:
        shares = [getattr(self, name) for name in self.__slots__ if name.endswith("_share")]
        shares += [refusal.share for refusal in self.refusals] + [failing.share for failing in self.failing]
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("every share must be between 0 and 1")
        if self.disturbed_share > 1 or sum(failing.share for failing in self.failing) > 1:
            raise ValueError("the shares of different ends of one message add up to more than 1")
        if self.batch_size < 1 or self.batch_window < 0:
            raise ValueError("batch_size must be 1 or more and batch_window 0 or more")

    @property
    def disturbed_share(self) -> float:
        """Return the share of sends that are not plainly accepted and answered."""
        return (
            sum(refusal.share for refusal in self.refusals)
            + self.hang_before_acceptance_share
            + self.hang_after_acceptance_share
            + self.reset_before_acceptance_share
            + self.lost_answer_share
            + self.garbage_share
        )


_ADAPTER = TypeAdapter(Profile)


def read_profile(content: bytes) -> Profile:
    """Read a profile from JSON; raises ValueError naming each bad field."""
    return _ADAPTER.validate_json(content)


def load_profile(name: str) -> Profile:
    """Load a profile that comes with the simulator by its name, or any other by the path of its JSON file."""
    folder = resources.files("simulator") / "profiles"
    packaged = sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))
    if name in packaged:
        return read_profile((folder / f"{name}.json").read_bytes())
    if not Path(name).is_file():
        raise ValueError(f"no such profile: give {', '.join(packaged)} or the path of a JSON file")
    return read_profile(Path(name).read_bytes())
