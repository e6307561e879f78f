"""What a torture is to be: how long, on what, with which faults."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

LEASE = timedelta(seconds=5)
GRACE = timedelta(seconds=3)
RENEWALS = 3
"""Renewals in one lease."""

APP = "duly.torture.app:duly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run. ``store``, ``broker`` and ``cache`` are addresses, or kinds of which a server is started for the run."""

    minutes: float = 2
    store: str = "sqlite"
    broker: str = "none"
    cache: str = "none"
    faults: tuple[str, ...] = ()
    """Their names; empty: all that are possible."""
    seed: int = 1
    rate: float = 30
    """Tasks a second."""
    clients: int = 6
    app: str = APP
    app_dir: Path = Path()
    folder: Path
    """Where the records are kept."""
    mine: bool = False
    """Whether servers that were given may be restarted, emptied and so on, as if they were started for the run."""
    patience: timedelta = timedelta(minutes=5)
    """How long after the last fault all tasks may need to become final."""
