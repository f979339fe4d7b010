"""Turn aware timestamps into exact microseconds and back. Knows nothing else."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970 to `moment`."""
    return (moment - _EPOCH) // _MICROSECOND


def span(duration: timedelta) -> int:
    """Return a duration in microseconds."""
    return duration // _MICROSECOND


def timestamp(moment: int) -> datetime:
    """Return the aware timestamp of a moment in microseconds."""
    return _EPOCH + timedelta(microseconds=moment)
