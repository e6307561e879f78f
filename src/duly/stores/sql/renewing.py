"""Signs of life."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, select, update
from sqlalchemy import bindparam as bind

from duly.domain.state import State
from duly.domain.task import ClaimToken, TaskId
from duly.ports.store import Renewal
from duly.stores.sql.dialect import Sql
from duly.stores.sql.schema import tasks


def renew(connection: Connection, sql: Sql, renewals: Sequence[Renewal], lease: timedelta) -> dict[TaskId, bool]:
    """Prolong the claims that still hold. Rows are locked in the order of their ids, and locked ones are skipped.

    Whoever holds the lock of a row is settling it; its claim is told as it was before that, and is not prolonged.
    """
    tokens = {renewal.id: renewal.token for renewal in renewals}
    free = _holding(connection, tokens, lock=True)
    if free:
        until = sql.moments.after(lease)
        connection.execute(update(tasks).where(tasks.c.id.in_(free)).values(lease_until=until, wake_at=until))
        _write_progress(connection, [renewal for renewal in renewals if renewal.id in free])
    locked = {id_: token for id_, token in tokens.items() if id_ not in free}
    return free | (_holding(connection, locked, lock=False) if locked else {})


def _holding(connection: Connection, tokens: dict[TaskId, ClaimToken], *, lock: bool) -> dict[TaskId, bool]:
    """Those whose claim holds, each with whether its task is to be cancelled."""
    statement = (
        select(tasks.c.id, tasks.c.token, tasks.c.cancelling)
        .where(tasks.c.id.in_(sorted(tokens)), tasks.c.state == State.RUNNING.value)
        .order_by(tasks.c.id)
    )
    if lock:
        statement = statement.with_for_update(skip_locked=True)
    return {TaskId(id_): cancelling for id_, token, cancelling in connection.execute(statement) if token == tokens[id_]}


def _write_progress(connection: Connection, renewals: Sequence[Renewal]) -> None:
    rows = [{"row_id": item.id, "row_progress": item.progress} for item in renewals if item.progress is not None]
    if rows:
        connection.execute(
            update(tasks)
            .where(tasks.c.id == bind("row_id"))
            .values(progress=bind("row_progress"), progress_seq=tasks.c.progress_seq + 1),
            rows,
        )
