"""What a provider's error codes mean: a table with a version, one file a provider. Knows no wire and no job."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Self

import orjson

from executor.domain.outcome import Backoff, Rejected, Retryable
from executor.domain.words import SignalKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorClass:
    """One row: codes that mean the same. Without a backoff it is never tried again."""

    name: str
    backoff: Backoff | None
    signal: SignalKind | None
    after_sending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorTable:
    """All rows of a provider by code."""

    version: str
    by_code: dict[str, ErrorClass]
    unlisted_refusal: ErrorClass
    unlisted_trouble: ErrorClass

    @classmethod
    def load(cls, name: str) -> Self:
        """Read `<name>.json`, and refuse a table that names a code twice."""
        table = orjson.loads(files(__package__).joinpath(f"{name}.json").read_bytes())
        by_code: dict[str, ErrorClass] = {}
        for row in table["classes"]:
            meaning = _class_of(row, retry=row["then"] == "RETRY")
            for code in _codes(row["codes"]):
                if code in by_code:
                    raise ValueError(f"{name}: code {code} is listed twice")
                by_code[code] = meaning
        unlisted = table["unlisted"]
        return cls(
            version=table["version"],
            by_code=by_code,
            unlisted_refusal=_class_of(unlisted, retry=unlisted["below_500"] == "RETRY"),
            unlisted_trouble=_class_of(unlisted, retry=unlisted["from_500"] == "RETRY"),
        )

    def answer(self, code: str, *, http_status: int, retry_after: float | None) -> Retryable | Rejected:
        """Say what a code in the answer to a send means: definitely not sent."""
        unlisted = self.unlisted_trouble if http_status >= 500 else self.unlisted_refusal
        meaning = self.by_code.get(code, unlisted)
        if meaning.backoff is None:
            return Rejected(reason=meaning.name, provider_code=code, signal=meaning.signal)
        return Retryable(
            reason=meaning.name,
            provider_code=code,
            retry_after=retry_after,
            backoff=meaning.backoff,
            signal=meaning.signal,
        )

    def failed_status(self, code: str) -> Retryable | Rejected:
        """Say what a code in a `failed` status means, after the message had been taken: only marked rows try again."""
        meaning = self.by_code.get(code, self.unlisted_refusal)
        if meaning.backoff is not None and meaning.after_sending:
            return Retryable(reason=meaning.name, provider_code=code, backoff=meaning.backoff, signal=meaning.signal)
        return Rejected(reason=meaning.name, provider_code=code, signal=meaning.signal)


def _class_of(row: dict[str, Any], *, retry: bool) -> ErrorClass:
    backoff = Backoff(first=row["first"], cap=row["cap"], factor=row.get("factor", 2.0)) if retry else None
    signal = SignalKind(row["signal"]) if "signal" in row else None
    return ErrorClass(name=row["class"], backoff=backoff, signal=signal, after_sending=row.get("after_sending", False))


def _codes(listed: list[str]) -> list[str]:
    result: list[str] = []
    for entry in listed:
        first, dash, last = entry.partition("-")
        result.extend(str(code) for code in range(int(first), int(last) + 1)) if dash else result.append(entry)
    return result
