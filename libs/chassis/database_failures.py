"""Tell which database errors a caller can retry, say so in one `Failure`, and let no error quote what is stored.

Knows no statement.
"""

from datetime import timedelta

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kernel.errors import Failure, Kind

BROKEN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_WAITED_IN_VAIN = (PoolTimeoutError, OSError, TimeoutError)
_DATABASE_ERRORS = (*_WAITED_IN_VAIN, *BROKEN)
_RETRY_AFTER = timedelta(milliseconds=250)
_RETRYABLE_CLASSES = (
    "08",  # connection exception
    "53",  # insufficient resources
    "57P",  # shutdown, cannot connect now
)
_RETRYABLE_STATES = frozenset(
    {
        "25006",  # read-only transaction: a standby that was or will be the primary
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # lock timeout
        "57014",  # statement timeout
        "25P03",  # idle in transaction for too long
    }
)


class translated:  # noqa: N801 - it is used as contextlib's are
    """Raise `Failure` UNAVAILABLE in place of database errors after which trying again can help.

    The others pass as they are, less the values that they quote: a log, a span or an answer may hold their text.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, _DATABASE_ERRORS):
            return
        _take_values_out(error)
        if isinstance(error, _WAITED_IN_VAIN) or _is_retryable(error):
            raise _unavailable(error) from error


def _take_values_out(error: BaseException) -> None:
    """Leave of an error and its causes what names places: never DETAIL, which quotes whole rows, or a quoted input."""
    said = ""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        if isinstance(link, asyncpg.PostgresError | asyncpg.InterfaceError):
            said = _without_values(link)
            link.detail = link.hint = None
        link = link.__cause__
    if said:
        for one in chain:
            one.args = (said, *one.args[1:])


def _without_values(error: asyncpg.PostgresError | asyncpg.InterfaceError) -> str:
    """Return its name and message; of what is wrong with a value (class 22), whose message quotes it, the name."""
    state = getattr(error, "sqlstate", None) or ""
    name = f"{type(error).__name__} {state}".rstrip()
    return name if state.startswith("22") else f"{name}: {error.args[0] if error.args else ''}"


def _is_retryable(error: BaseException | None) -> bool:
    while error is not None:
        # The last: the server's goodbye was read, and the end of its connection not yet.
        if isinstance(
            error, OSError | TimeoutError | asyncpg.ConnectionDoesNotExistError | asyncpg.InternalClientError
        ):
            return True
        if isinstance(error, asyncpg.InterfaceError) and "clos" in str(error):
            return True
        state = getattr(error, "sqlstate", None)
        if isinstance(state, str) and (state in _RETRYABLE_STATES or state.startswith(_RETRYABLE_CLASSES)):
            return True
        error = error.__cause__
    return False


def _unavailable(error: BaseException) -> Failure:
    return Failure(
        Kind.UNAVAILABLE,
        "DATABASE_UNAVAILABLE",
        f"the database did not answer ({type(error).__name__}); try again",
        retry_after=_RETRY_AFTER,
    )
