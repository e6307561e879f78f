"""UUIDv7 (RFC 9562 §5.7): milliseconds since 1970, then 74 bits."""

from datetime import datetime
from uuid import UUID

TAIL_BITS = 74
_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() * 1000)


def uuid7(millisecond: int, tail: int) -> UUID:
    """The id of this millisecond with this tail, of which 74 bits count."""
    tail &= (1 << TAIL_BITS) - 1
    upper, lower = tail >> 62, tail & ((1 << 62) - 1)
    return UUID(int=(millisecond << 80) | (upper << 64) | _VERSION_AND_VARIANT | lower)
