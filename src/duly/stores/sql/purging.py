"""Ended tasks, deleted; their ids stay known."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, or_, select

from duly.domain.query import MAX_LOOKED_AT
from duly.domain.state import FINAL, State
from duly.domain.task import Task, TaskId
from duly.ports.store import Retention
from duly.stores.sql.dialect import Sql
from duly.stores.sql.schema import events, purged, tasks

_ENDED = sorted(state.value for state in FINAL)


@dataclass(frozen=True, slots=True)
class Purge:
    """What one purge did, and after which id the next one goes on; None: it begins with the oldest again."""

    count: int
    after: TaskId | None


def purge(connection: Connection, sql: Sql, kept: Retention, limit: int, after: TaskId | None) -> Purge:
    """Walk the ids from the oldest (by the primary key), MAX_LOOKED_AT rows in one transaction at most.

    There is no index for what has ended long enough: it is nearly always the oldest ids. Rows are locked in the
    order of their ids, and locked ones are skipped.
    """
    above = [] if after is None else [tasks.c.id > after]
    edge = connection.execute(_edge(sql, kept, above)).one_or_none()
    window = above if edge is None else [*above, tasks.c.id <= edge.id]
    found = [TaskId(id_) for id_ in connection.scalars(_ended(sql, kept, window, limit))]
    _remove(connection, sql, found)
    if len(found) == limit:
        return Purge(limit, found[-1])
    if edge is None or edge.created_at > edge.cutoff:
        return Purge(len(found), None)
    return Purge(len(found), edge.id)


def delete_task(connection: Connection, sql: Sql, task: Task) -> bool:
    """Delete this final task if it still has this version."""
    statement = (
        select(tasks.c.id)
        .where(tasks.c.id == task.id, tasks.c.version == task.version, tasks.c.state.in_(_ENDED))
        .with_for_update()
    )
    found = [TaskId(id_) for id_ in connection.scalars(statement)]
    _remove(connection, sql, found)
    return bool(found)


def forget(connection: Connection, sql: Sql, older_than: timedelta, limit: int) -> int:
    """Drop the oldest remembered ids (by the index of ``at``)."""
    statement = (
        select(purged.c.id)
        .where(purged.c.at < sql.moments.after(-older_than))
        .order_by(purged.c.at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = connection.scalars(statement).all()
    if found:
        connection.execute(delete(purged).where(purged.c.id.in_(found)))
    return len(found)


def _edge(sql: Sql, kept: Retention, above: Collection[ColumnElement[bool]]) -> Select[Any]:
    """The last row of the window, if it is full, and since when tasks are too young to have ended."""
    shortest = min(kept.done, kept.failed, *kept.queues.values())
    return (
        select(tasks.c.id, tasks.c.created_at, sql.moments.after(-shortest).label("cutoff"))
        .where(*above)
        .order_by(tasks.c.id)
        .offset(MAX_LOOKED_AT - 1)
        .limit(1)
    )


def _ended(sql: Sql, kept: Retention, window: Collection[ColumnElement[bool]], limit: int) -> Select[Any]:
    """Final tasks in the window whose retention has ended."""
    return (
        select(tasks.c.id)
        .where(*window)
        .where(tasks.c.state.in_(_ENDED), or_(*_conditions(sql, kept)))
        .order_by(tasks.c.id)
        .limit(limit)
        .with_hint(tasks, "FORCE INDEX (PRIMARY)", "mysql")
        .with_for_update(skip_locked=True)
    )


def _conditions(sql: Sql, kept: Retention) -> list[ColumnElement[bool]]:
    ended = tasks.c.finished_at
    usual = tasks.c.queue.not_in(sorted(kept.queues))
    failed = tasks.c.state == State.FAILED.value
    return [
        and_(usual, failed, ended < sql.moments.after(-kept.failed)),
        and_(usual, ~failed, ended < sql.moments.after(-kept.done)),
        *(and_(tasks.c.queue == name, ended < sql.moments.after(-time)) for name, time in kept.queues.items()),
    ]


def _remove(connection: Connection, sql: Sql, ids: Sequence[TaskId]) -> None:
    if not ids:
        return
    connection.execute(delete(events).where(events.c.task_id.in_(ids)))
    connection.execute(delete(tasks).where(tasks.c.id.in_(ids)))
    at = connection.scalar(select(sql.moments.now()))
    connection.execute(sql.dialect.insert_new(purged), [{"id": id_, "at": at} for id_ in ids])
