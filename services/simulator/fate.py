"""What happens to one message, drawn from a seed and the message's own key. Pure: knows no clock, wire or ledger."""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.profile import Failing, Profile, Refusal

_DRAWS = struct.Struct("<16I")


class Answer(StrEnum):
    """How a send ends for the caller."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    RESET_BEFORE_ACCEPTANCE = "reset_before_acceptance"
    LOST_ANSWER = "lost_answer"
    HANG_BEFORE_ACCEPTANCE = "hang_before_acceptance"
    HANG_AFTER_ACCEPTANCE = "hang_after_acceptance"
    GARBAGE = "garbage"

    @property
    def accepts(self) -> bool:
        """Whether the message goes out, whatever the caller gets to see."""
        return self in _ACCEPTING


_ACCEPTING = frozenset({Answer.ACCEPTED, Answer.LOST_ANSWER, Answer.HANG_AFTER_ACCEPTANCE, Answer.GARBAGE})


class StatusName(StrEnum):
    """What a webhook may say of a message."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStatus:
    """A status to be told `delay` seconds after acceptance; `code` only with FAILED."""

    status: StatusName
    delay: float
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """Everything decided about one send before it happens; `statuses` count only if `answer` accepts.

    `abrupt`: a connection given up is reset, not closed.
    """

    answer: Answer
    latency: float = 0.0
    hang: float = 0.0
    abrupt: bool = True
    code: int | None = None
    http_status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    statuses: tuple[PlannedStatus, ...] = ()


def draw_fate(*, seed: int, profile: Profile, key: bytes) -> Fate:
    """Draw the fate of the message called `key`; the same arguments give the same fate on any machine."""
    draws = draw(seed=seed, key=key)
    latency = profile.slow_latency if draws[0] < profile.slow_share else profile.latency
    answer, refusal = _draw_answer(profile, draws[1])
    return Fate(
        answer=answer,
        latency=latency.at(draws[2]),
        hang=profile.hang.at(draws[3]),
        abrupt=draws[14] < 0.5,
        code=refusal.code if refusal else None,
        http_status=refusal.http_status if refusal else None,
        headers=refusal.headers if refusal else {},
        statuses=_plan_statuses(profile, draws),
    )


def draw(*, seed: int, key: bytes) -> tuple[float, ...]:
    """Return sixteen independent draws in [0, 1) that belong to `key`."""
    digest = hashlib.blake2b(key, key=seed.to_bytes(16, "big", signed=True), digest_size=64).digest()
    return tuple(number / 2**32 for number in _DRAWS.unpack(digest))


def _draw_answer(profile: Profile, at: float) -> tuple[Answer, Refusal | None]:
    for refusal in profile.refusals:
        if at < refusal.share:
            return Answer.REFUSED, refusal
        at -= refusal.share
    for answer, share in (
        (Answer.HANG_BEFORE_ACCEPTANCE, profile.hang_before_acceptance_share),
        (Answer.HANG_AFTER_ACCEPTANCE, profile.hang_after_acceptance_share),
        (Answer.RESET_BEFORE_ACCEPTANCE, profile.reset_before_acceptance_share),
        (Answer.LOST_ANSWER, profile.lost_answer_share),
        (Answer.GARBAGE, profile.garbage_share),
    ):
        if at < share:
            return answer, None
        at -= share
    return Answer.ACCEPTED, None


def _plan_statuses(profile: Profile, draws: tuple[float, ...]) -> tuple[PlannedStatus, ...]:
    sent, delivered, read = (
        profile.sent_delay.at(draws[4]),
        profile.delivered_delay.at(draws[5]),
        profile.read_delay.at(draws[6]),
    )
    failing = _draw_failing(profile, draws[7])
    if failing is not None:
        plan = [PlannedStatus(status=StatusName.FAILED, delay=delivered, code=failing.code)]
    else:
        if draws[8] < profile.disorder_share:
            sent, delivered = delivered, sent
        plan = [PlannedStatus(status=StatusName.SENT, delay=sent)]
        is_read = draws[9] < profile.read_share
        if not (is_read and draws[10] < profile.delivered_skipped_share):
            plan.append(PlannedStatus(status=StatusName.DELIVERED, delay=delivered))
        if is_read:
            plan.append(PlannedStatus(status=StatusName.READ, delay=read))
    repeated = [
        PlannedStatus(status=planned.status, delay=planned.delay * 1.5 + 0.05, code=planned.code)
        for planned, at in zip(plan, draws[11:14], strict=False)
        if at < profile.duplicate_share
    ]
    return tuple(plan + repeated)


def _draw_failing(profile: Profile, at: float) -> Failing | None:
    for failing in profile.failing:
        if at < failing.share:
            return failing
        at -= failing.share
    return None
