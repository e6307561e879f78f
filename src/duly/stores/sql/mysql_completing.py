"""Plain completions on MySQL and MariaDB: a batch in one statement, which its drivers have no other way for."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection

from duly.domain.transition import Change

MAX_STATEMENT_BYTES = 2 * 1024 * 1024
"""Results in one statement, at most, unless it is one alone: a packet holds 16 MiB, and quoting may double them."""

_WHEN = "WHEN %s THEN %s"


def complete(connection: Connection, changes: Sequence[Change]) -> int:
    """Write them, each if its version and token still hold (by the primary key); returns how many were written.

    Text made by hand: SQLAlchemy takes longer to build a CASE of hundreds than the database to run it.
    """
    return sum(_complete(connection, part) for part in parts(changes))


def parts(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """The changes in portions that fit one statement."""
    part: list[Change] = []
    size = 0
    for change in changes:
        length = len(change.after.result or "")
        if part and size + length > MAX_STATEMENT_BYTES:
            yield part
            part, size = [], 0
        part.append(change)
        size += length
    if part:
        yield part


def _complete(connection: Connection, changes: Sequence[Change]) -> int:
    whens = " ".join([_WHEN] * len(changes))
    ids = ", ".join(["%s"] * len(changes))
    # Only the number of placeholders varies.
    statement = (
        "UPDATE duly_tasks SET state = 'completed', reason = NULL, version = version + 1, "  # noqa: S608
        f"result = CASE id {whens} END, finished_at = CASE id {whens} END, lease_until = NULL, wake_at = NULL "
        f"WHERE id IN ({ids}) AND version = CASE id {whens} END AND token = CASE id {whens} END"
    )
    values = (
        *_pairs(changes, [change.after.result for change in changes]),
        *_pairs(changes, [_naive(change.after.finished_at) for change in changes]),
        *(change.before.id.bytes for change in changes),
        *_pairs(changes, [change.before.version for change in changes]),
        *_pairs(changes, [change.before.claim.bytes for change in changes]),
    )
    return connection.exec_driver_sql(statement, values).rowcount


def _pairs(changes: Sequence[Change], values: Sequence[object]) -> Iterator[object]:
    for change, value in zip(changes, values, strict=True):
        yield change.before.id.bytes
        yield value


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=None)
