"""Why an attempt is to end before its handler does."""

from enum import Enum


class Cause(Enum):
    """The first cause stays."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"
    LOST = "lost"
    """Its claim is lost: whatever comes of it is refused."""
    STOP = "stop"
    """The worker stops, and what runs has had its time."""
