"""How a time is written wherever somebody reads it."""

from datetime import datetime
from functools import lru_cache


@lru_cache(maxsize=1_000)
def rfc3339(at: datetime) -> str:
    """A time in UTC with six digits and ``Z``: ``2026-11-22T10:30:00.123456Z``.

    Remembered for a while: a new task's is stored, and shown twice; those of one batch have the same.
    """
    return at.isoformat(timespec="microseconds")[:26] + "Z"
