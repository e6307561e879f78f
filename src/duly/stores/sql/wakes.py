"""From when on the sweeps look for what wakes, while to look everywhere is slow: see ``looks``."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from duly.domain.state import LIVE, State
from duly.stores.sql.looks import Looks

SLACK = timedelta(seconds=1)
"""Commits overtake each other: so far before the first that was found others are still expected."""

SLOW = 0.02
"""In seconds; less than for others, since every process looks twice a second."""


class Wakes:
    """Where each state's part of the index of ``wake_at`` begins to live, as far as the last looks have shown.

    New leases and expiries end after those that are there, if all are alike; another may wake earlier, and is found by
    the next look everywhere. A new scheduled task wakes at any time from now on.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._looks = Looks(now, SLOW)
        self._begins: dict[State, datetime] = {}

    @property
    def slow(self) -> bool:
        """Whether the last look everywhere was."""
        return self._looks.slow

    @property
    def since(self) -> dict[State, datetime]:
        """What to look from; without an entry, everywhere."""
        return {} if self._looks.due else {state: at - SLACK for state, at in self._begins.items()}

    def found(self, now: datetime, firsts: Mapping[State, datetime]) -> None:
        """A look at this time of the store's has found these first."""
        without = {state: max(now, self._begins.get(state, now)) for state in LIVE}
        self._begins = {**without, **firsts} | {State.SCHEDULED: min(now, firsts.get(State.SCHEDULED, now))}

    def took(self, seconds: float) -> None:
        """A look everywhere has ended, or failed, after so long."""
        self._looks.took(seconds)
