"""How a time is written wherever somebody reads it."""

from datetime import datetime


def rfc3339(at: datetime) -> str:
    """A time in UTC with six digits and ``Z``: ``2026-11-22T10:30:00.123456Z``."""
    return at.isoformat(timespec="microseconds")[:26] + "Z"
