"""The hot operations of SQLite and MySQL: text and tuples, as their drivers take them.

SQLAlchemy takes longer to process the thirty values of a row than SQLite to store them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from duly.domain.making import is_new
from duly.domain.task import ClaimToken, Task, TaskId, WorkerId
from duly.domain.transition import Change
from duly.ports.clock import Clock
from duly.stores.sql.claimed import CLAIMED_COLUMNS, Claimed, claimed_of
from duly.stores.sql.codec import Codec
from duly.stores.sql.rows import (
    NEW_COLUMNS,
    NEW_CONSTANTS,
    TASK_COLUMNS,
    values_columns,
)

_PLACE, _NOW = len(CLAIMED_COLUMNS), len(CLAIMED_COLUMNS) + 1

_COUNTED = {
    "attempt": "attempt + 1",
    "version": "version + 1",
    "progress_seq": "progress_seq + (progress IS NOT NULL)",
}
"""What a claim makes of a row, told before it does."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker wants: up to ``limit`` tasks of one queue, under one new token."""

    queue: str
    limit: int
    worker: WorkerId
    lease: timedelta
    token: ClaimToken
    among: Collection[TaskId] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How statements are spelt for one driver."""

    codec: Codec
    mark: str
    """What stands for a value."""
    now: str
    """The server's time; not used where a clock counts."""
    by_order: str
    by_key: str
    """The hints that hold a claim to its index, and one among hinted tasks to the primary key."""
    place: str
    """The column by which a row that was just read is found again soonest."""
    lock: str
    """What locks the rows of a claim, and skips those that are locked."""
    rows: Callable[[Connection, Sequence[str], str, Sequence[object]], Sequence[Sequence[Any]]]
    """Selects these columns from where the text says, with these values for its marks: all rows, in their order."""
    complete: Callable[[Connection, Sequence[Change]], int]
    """See Hot.complete."""


class Hot:
    """Inserts, claims and reads, in the words of one driver."""

    def __init__(self, speech: Speech, clock: Clock | None) -> None:
        self._speech = speech
        self._clock = clock
        self._row = ", ".join(f"`{column.name}`" for column in TASK_COLUMNS)
        self._claimed = [*(_COUNTED.get(name, f"`{name}`") for name in CLAIMED_COLUMNS), speech.place, speech.now]
        self._insert = _insert(values_columns(), {}, speech.mark)
        self._insert_new = _insert(NEW_COLUMNS, NEW_CONSTANTS, speech.mark)

    def insert(self, connection: Connection, new: Sequence[Task]) -> None:
        """Insert all, or raise what the driver raises when one of the ids or keys is already there."""
        codec = self._speech.codec
        if all(map(is_new, new)):
            connection.exec_driver_sql(self._insert_new, [tuple(codec.new_row(task)) for task in new])
        else:
            connection.exec_driver_sql(self._insert, [tuple(codec.row(task)) for task in new])

    def complete(self, connection: Connection, changes: Sequence[Change]) -> int:
        """Write plain completions, each if its version and token still hold; returns how many were written."""
        return self._speech.complete(connection, changes)

    def get(self, connection: Connection, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """Those that exist (by the primary key)."""
        rows = connection.exec_driver_sql(
            f"SELECT {self._row} FROM duly_tasks WHERE id IN ({self._marks(ids)})",  # noqa: S608
            tuple(id_.bytes for id_ in ids),
        )
        return {task.id: task for task in map(self._speech.codec.task, rows)}

    def claim(self, connection: Connection, wanted: Claim) -> list[Task]:
        """Take pending tasks in the order of the index duly_tasks_ready, which serves filter and order alike.

        Hinted ones are found by the primary key. Rows are locked in that order; locked ones are skipped, so that no
        claim waits for another.
        """
        asked = None if self._clock is None else self._clock.now()
        rows = self._ready(connection, wanted, asked)
        if not rows:
            return []
        codec = self._speech.codec
        now = asked or codec.moment_out(rows[0][_NOW])
        known = Claimed(wanted.queue, wanted.token, wanted.worker, now, now + wanted.lease)
        self._take(connection, [row[_PLACE] for row in rows], known)
        return [claimed_of(codec.claimed(row), known) for row in rows]

    def _ready(self, connection: Connection, wanted: Claim, now: datetime | None) -> Sequence[Sequence[Any]]:
        """The rows to take, locked; the server's time comes with them."""
        speech = self._speech
        at, bound = (speech.now, ()) if now is None else (speech.mark, (speech.codec.moment_in(now),))
        hint, among, ids = self._hinted(wanted.among)
        return speech.rows(
            connection,
            self._claimed,
            f"FROM duly_tasks {hint} "  # noqa: S608
            f"WHERE state = 'pending' AND queue = {speech.mark} {among} "
            f"AND (expires_at IS NULL OR expires_at > {at}) "
            f"AND NOT EXISTS (SELECT 1 FROM duly_queues WHERE name = {speech.mark} AND paused) "
            f"ORDER BY precedence, run_at, id LIMIT {speech.mark} {speech.lock}",
            (wanted.queue, *ids, *bound, wanted.queue, wanted.limit),
        )

    def _hinted(self, among: Collection[TaskId] | None) -> tuple[str, str, tuple[bytes, ...]]:
        if among is None:
            return self._speech.by_order, "", ()
        return self._speech.by_key, f"AND id IN ({self._marks(among)})", tuple(id_.bytes for id_ in among)

    def _take(self, connection: Connection, places: Sequence[object], claimed: Claimed) -> None:
        """What ``transition.claimed`` says. MySQL assigns from left to right: progress is counted, then cleared."""
        mark, moment_in = self._speech.mark, self._speech.codec.moment_in
        until = moment_in(claimed.lease_until)
        connection.exec_driver_sql(
            "UPDATE duly_tasks SET state = 'running', reason = NULL, attempt = attempt + 1, version = version + 1, "  # noqa: S608
            f"token = {mark}, worker = {mark}, lease_until = {mark}, wake_at = {mark}, started_at = {mark}, "
            "progress_seq = progress_seq + (progress IS NOT NULL), progress = NULL "
            f"WHERE {self._speech.place} IN ({self._marks(places)})",
            (claimed.token.bytes, claimed.worker, until, until, moment_in(claimed.started_at), *places),
        )

    def _marks(self, values: Collection[object]) -> str:
        return ", ".join([self._speech.mark] * len(values))


def _insert(columns: Sequence[str], constants: Mapping[str, str], mark: str) -> str:
    names = ", ".join(f"`{name}`" for name in (*columns, *constants))
    values = ", ".join((*[mark] * len(columns), *constants.values()))
    return f"INSERT INTO duly_tasks ({names}) VALUES ({values})"  # noqa: S608  # names of columns, not values
