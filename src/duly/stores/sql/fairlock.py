"""A lock between processes that is fair: who waits is next."""

import os
import sys
from types import TracebackType

if sys.platform == "win32":

    def _lock(file: int) -> None:
        """Windows has no flock: there SQLite's own busy handler is all there is, and it is not fair."""

    def _unlock(file: int) -> None:
        """Nothing was locked."""
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


class FairLock:
    """Two flocks beside the database: one to hold it, one for whose turn is next.

    One flock alone is not fair: who gives it back and wants it again at once has it before the waiting process has
    woken up. Here it must first wait for the turn, and the waiting process keeps that until it holds the lock.
    The lock of a process that dies is free at once.
    """

    def __init__(self, database: str) -> None:
        self._held = os.open(f"{database}-lock", os.O_RDWR | os.O_CREAT, 0o666)
        self._turn = os.open(f"{database}-turn", os.O_RDWR | os.O_CREAT, 0o666)

    def __enter__(self) -> None:
        _lock(self._turn)
        try:
            _lock(self._held)
        finally:
            _unlock(self._turn)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _unlock(self._held)

    def close(self) -> None:
        """Give back the files; what is locked is free then."""
        os.close(self._turn)
        os.close(self._held)
