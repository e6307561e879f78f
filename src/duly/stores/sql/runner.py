"""How operations are run: functions over a connection, one transaction each."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

R = TypeVar("R")

Waited = Callable[[float], None]
"""Is told how many seconds a call waited for a connection. Called from any thread."""

MAX_TRIES = 5
"""So often is a transaction tried that gets into another one's way, before the store counts as unavailable."""


def untold(_: float) -> None:
    """A Waited that tells nobody."""


class Runner(Protocol):
    """Runs operations on its own connections and translates what the driver raises.

    An operation may be run more than once, each time in a new transaction, so it keeps nothing between two runs.
    """

    async def read(self, operation: Callable[[Connection], R]) -> R:
        """Run an operation that only reads."""
        ...

    async def write(self, operation: Callable[[Connection], R], *, urgent: bool = False) -> R:
        """Run an operation in a transaction and commit it; an urgent one goes before those that wait."""
        ...

    async def close(self) -> None:
        """Finish what is under way and give back the connections. May be called twice."""
        ...
