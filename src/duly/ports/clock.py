"""What time it is."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The one source of ``now``."""

    def now(self) -> datetime:
        """The present, aware and in UTC. A store's clock follows its database; it never waits and never raises."""
        ...
