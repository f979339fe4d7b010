"""When a scope is worth the next look: after a pause, on a ramp, or where a look was in vain. Knows no store.

What waits in a paused scope costs next to nothing, and one scope that yields nothing slows down no other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from executor.application.ports import DueScope
from executor.domain.job import Scope
from executor.domain.pauses import KnownPauses

_FIRST_SECONDS = 0.005
_PAUSED_SECONDS = 60.0
_MANY = 10_000  # scopes that are remembered; more only while all of them are put off


@dataclass(slots=True)
class _PutOff:
    """Why a scope is put off. `known`: because the watch tells of its pause, so that its end will be told too."""

    until: float = 0.0
    in_vain: int = 0
    pauses: frozenset[UUID] = frozenset()
    known: bool = False
    ramping_since: float | None = None


class Patience:
    """What was found out about scopes when they were looked at last; times on the boot-time clock."""

    def __init__(self, pauses: KnownPauses, *, lead: float, longest: float) -> None:
        self._pauses = pauses
        self._lead = lead
        self._longest = longest
        self._put_off: dict[Scope, _PutOff] = {}
        self._room = _MANY

    def ready_in(self, due: DueScope, now: float) -> float:
        """Return the seconds until a look at the scope is worthwhile; 0 or less: now."""
        put_off = self._put_off.get(due.scope, _NEVER)
        if self._pauses.covers(due.scope):
            return max(due.due_in, put_off.until - now)
        ready_in = due.ready_in - self._lead
        if put_off.known:
            return ready_in
        if put_off.ramping_since is not None:
            # The factor grows: however long the lane's clock says by the last one, it is asked for again.
            ready_in = max(ready_in, min(due.ramp_in - self._lead, put_off.ramping_since + self._longest - now))
        return max(ready_in, put_off.until - now)

    def took(self, scope: Scope, *, ramping: bool, now: float) -> None:
        """Note that jobs were taken."""
        if ramping:
            self._put_off[scope] = _PutOff(ramping_since=now)
        else:
            self._put_off.pop(scope, None)

    def in_vain(self, scope: Scope, *, ramping: bool, now: float) -> None:
        """Note that nothing could be taken although something was due: each time in a row it is put off for longer."""
        put_off = self._of(scope, now)
        put_off.pauses, put_off.known = frozenset(), False
        put_off.ramping_since = now if ramping else None
        self._wait(put_off, now)

    def is_new(self, scope: Scope, control_ids: Iterable[UUID]) -> bool:
        """Tell whether one of the pauses was not among those that the scope met last."""
        return not self._put_off.get(scope, _NEVER).pauses.issuperset(control_ids)

    def paused(self, scope: Scope, control_ids: Iterable[UUID], now: float) -> None:
        """Note that control said paused."""
        put_off = self._of(scope, now)
        put_off.pauses = frozenset(control_ids)
        put_off.known = self._pauses.covers(scope)
        if put_off.known:
            put_off.until, put_off.in_vain = now + _PAUSED_SECONDS, 0
        else:
            self._wait(put_off, now)

    def was_paused(self, scope: Scope) -> bool:
        """Tell whether control said paused when it was asked last."""
        return bool(self._put_off.get(scope, _NEVER).pauses)

    def _wait(self, put_off: _PutOff, now: float) -> None:
        put_off.until = now + min(_FIRST_SECONDS * 2.0 ** min(put_off.in_vain, 16), self._longest)
        put_off.in_vain += 1

    def _of(self, scope: Scope, now: float) -> _PutOff:
        if len(self._put_off) >= self._room and scope not in self._put_off:
            # Forgetting one that is put off would make it worth a look at once: with enough of them, in a circle.
            self._put_off = {known: put_off for known, put_off in self._put_off.items() if put_off.until > now}
            self._room = max(_MANY, 2 * len(self._put_off))
        return self._put_off.setdefault(scope, _PutOff())


_NEVER = _PutOff()
