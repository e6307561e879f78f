"""Plain completions on MySQL and MariaDB: a batch in one statement, which its drivers have no other way for."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection

from duly.domain.transition import Change
from duly.stores.sql.portions import portions

_WHEN = "WHEN %s THEN %s"


def complete(connection: Connection, changes: Sequence[Change]) -> int:
    """Write them, each if its version and token still hold (by the primary key); returns how many were written.

    Text made by hand: SQLAlchemy takes longer to build a CASE of hundreds than the database to run it.
    """
    return sum(_complete(connection, portion) for portion in portions(changes))


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
