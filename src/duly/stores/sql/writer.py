"""SQLite's one writer: a thread that takes whole transactions."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from duly.domain.errors import StoreUnavailable
from duly.stores.sql.fairlock import FairLock
from duly.stores.sql.runner import R, Waited

MOST_TOGETHER = 8
"""So many operations share one commit at most."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation on its way, and where its outcome goes."""

    run: Callable[[Connection], Any]
    future: "Future[Any]"
    asked: float
    """When, by the performance counter."""


class Writer:
    """Takes operations from any thread and runs them in order, urgent ones first, on one connection of its own.

    Operations that gathered while the last commit was written share the next one. When one of them raises, all are
    rolled back and run again one by one, so no operation sees another's failure.
    """

    def __init__(self, engine: Engine, lock: FairLock, waited: Waited) -> None:
        self._engine = engine
        self._lock = lock
        self._waited = waited
        self._connection: Connection | None = None
        self._urgent: deque[Entry] = deque()
        self._usual: deque[Entry] = deque()
        self._changed = Condition()
        self._closing = False
        self._thread = Thread(target=self._run, name="duly-sqlite-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, operation: Callable[[Connection], R], *, urgent: bool) -> "Future[R]":
        """Queue an operation; the future has its outcome once that is committed. Raises StoreUnavailable: closed."""
        future: Future[R] = Future()
        with self._changed:
            if self._closing:
                raise StoreUnavailable("The store is closed.")
            (self._urgent if urgent else self._usual).append(Entry(operation, future, time.perf_counter()))
            self._changed.notify()
        return future

    def close(self, longest: float) -> None:
        """Finish what is queued, for so many seconds at most, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(longest)

    def _run(self) -> None:
        while self._wait():
            try:
                with self._lock:
                    self._write(self._take())
            except OSError as error:
                for entry in self._take():  # the lock itself failed
                    entry.future.set_exception(error)
        self._disconnect()
        self._lock.close()

    def _wait(self) -> bool:
        """Wait for something to do. False: closed, and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._urgent or self._usual or self._closing)
            return bool(self._urgent or self._usual)

    def _take(self) -> list[Entry]:
        """What has gathered, without that whose caller has left. Taken with the lock held: nothing then waits on."""
        with self._changed:
            count = min(MOST_TOGETHER, len(self._urgent) + len(self._usual))
            taken = [(self._urgent or self._usual).popleft() for _ in range(count)]
        now = time.perf_counter()
        for entry in taken:
            self._waited(now - entry.asked)
        return [entry for entry in taken if entry.future.set_running_or_notify_cancel()]

    def _write(self, entries: Sequence[Entry]) -> None:
        try:
            outcomes = self._transaction(entries)
        except Exception as error:  # noqa: BLE001  # whatever an operation raises is its caller's to see
            if isinstance(error, DBAPIError | OSError):
                self._disconnect()
            if len(entries) == 1:
                entries[0].future.set_exception(error)
                return
            for entry in entries:
                self._write([entry])
            return
        for entry, outcome in zip(entries, outcomes, strict=True):
            entry.future.set_result(outcome)

    def _transaction(self, entries: Sequence[Entry]) -> list[Any]:
        if not entries:
            return []
        connection = self._connect()
        with connection.begin():
            return [entry.run(connection) for entry in entries]

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        """After an error the connection is not trusted any more: a new one costs a millisecond."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
