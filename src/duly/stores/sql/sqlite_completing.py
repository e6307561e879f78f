"""Plain completions on SQLite, row by row: its driver runs one statement for many rows well."""

from collections.abc import Sequence

from sqlalchemy import Connection

from duly.domain.transition import Change
from duly.stores.sql.codec import SQLITE_CODEC

_COMPLETE = """
UPDATE duly_tasks
SET state = 'completed', reason = NULL, version = version + 1, result = ?, finished_at = ?, lease_until = NULL,
    wake_at = NULL
WHERE id = ? AND version = ? AND token = ?
"""


def complete(connection: Connection, changes: Sequence[Change]) -> int:
    """Write them, each if its version and token still hold (by the primary key); returns how many were written."""
    return connection.exec_driver_sql(_COMPLETE, [_row(change) for change in changes]).rowcount


def _row(change: Change) -> tuple[object, ...]:
    before, after = change.before, change.after
    finished_at = None if after.finished_at is None else SQLITE_CODEC.moment_in(after.finished_at)
    return (after.result, finished_at, before.id.bytes, before.version, before.claim.bytes)
