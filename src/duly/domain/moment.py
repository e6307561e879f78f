"""How a time is written wherever somebody reads it."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=1_000)
def rfc3339(at: datetime) -> str:
    """A time in UTC with six digits and ``Z``: ``2026-11-22T10:30:00.123456Z``.

    Remembered for a while, as the text of its second is: a new task's is shown twice, and many are of the same second.
    """
    second, microsecond = divmod((at - EPOCH) // MICROSECOND, 1_000_000)
    return f"{_text_of(second)}.{microsecond:06}Z"


@lru_cache(maxsize=1_000)
def _text_of(second: int) -> str:
    return (EPOCH + timedelta(seconds=second)).isoformat()[:19]
