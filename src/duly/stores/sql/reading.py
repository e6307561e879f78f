"""Tasks as they are, read without a lock."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, select

from duly.domain.query import MAX_LOOKED_AT, Page, TaskQuery
from duly.domain.state import LIVE, Reason, State
from duly.domain.task import Task, TaskId, WorkerId
from duly.stores.sql.dialect import Sql
from duly.stores.sql.rows import TASK_COLUMNS, error_start, tag_text, task_of
from duly.stores.sql.schema import tasks


def get(connection: Connection, ids: Collection[TaskId]) -> dict[TaskId, Task]:
    """Those that exist (by the primary key)."""
    rows = connection.execute(select(*TASK_COLUMNS).where(tasks.c.id.in_(ids)))
    return {task.id: task for task in map(task_of, rows)}


def cancelling(connection: Connection, ids: Collection[TaskId]) -> set[TaskId]:
    """Those that run and are to be cancelled (by the primary key)."""
    statement = (
        select(tasks.c.id)
        .where(tasks.c.id.in_(ids))
        .where(tasks.c.cancelling.is_(True), tasks.c.state == State.RUNNING.value)
    )
    return {TaskId(id_) for id_ in connection.scalars(statement)}


def overdue(connection: Connection, sql: Sql, state: State, limit: int, since: datetime | None = None) -> list[Task]:
    """The longest overdue tasks of the state (by the index of ``wake_at``), from then on."""
    statement = (
        select(*TASK_COLUMNS)
        .where(tasks.c.state == state.value, tasks.c.wake_at <= sql.moments.now(), *_from(since))
        .order_by(tasks.c.wake_at, tasks.c.id)
        .limit(limit)
    )
    return [task_of(row) for row in connection.execute(statement)]


def soonest(
    connection: Connection, sql: Sql, since: Mapping[State, datetime]
) -> tuple[datetime, dict[State, datetime]]:
    """Now, and when the first of each state wakes (each the first entry of its part of the index of ``wake_at``).

    What wakes before the times given is not looked for.
    """
    firsts = (_first_to_wake(state, since.get(state)) for state in LIVE)
    now, *times = connection.execute(select(sql.moments.now(), *firsts)).one()
    return now, {state: at for state, at in zip(LIVE, times, strict=True) if at is not None}


def _first_to_wake(state: State, since: datetime | None) -> ScalarSelect[datetime]:
    return (
        select(tasks.c.wake_at)
        .where(tasks.c.state == state.value, tasks.c.wake_at.is_not(None), *_from(since))
        .order_by(tasks.c.wake_at)
        .limit(1)
        .scalar_subquery()
    )


def _from(since: datetime | None) -> list[ColumnElement[bool]]:
    return [] if since is None else [tasks.c.wake_at >= since]


def ready(connection: Connection, queues: Collection[str]) -> set[str]:
    """Those with a pending task (each the first entry of its part of the index duly_tasks_ready)."""
    names = list(queues)
    row = connection.execute(select(*map(_first_pending, names))).one()
    return {name for name, first in zip(names, row, strict=True) if first is not None}


def _first_pending(queue: str) -> ScalarSelect[object]:
    return (
        select(tasks.c.precedence)
        .where(tasks.c.state == State.PENDING.value, tasks.c.queue == queue)
        .order_by(tasks.c.precedence, tasks.c.run_at, tasks.c.id)
        .limit(1)
        .scalar_subquery()
    )


def unhandled(connection: Connection, types: Collection[str], limit: int) -> list[Task]:
    """Tasks of these types that wait for a handler."""
    statement = (
        select(*TASK_COLUMNS)
        .where(tasks.c.state == State.SCHEDULED.value, tasks.c.reason == Reason.NO_HANDLER.value)
        .where(tasks.c.type.in_(types))
        .limit(limit)
    )
    return [task_of(row) for row in connection.execute(statement)]


def claims(connection: Connection, worker: WorkerId) -> list[Task]:
    """What this worker has claimed and not settled (by the index of ``wake_at``: every running task has one)."""
    statement = (
        select(*TASK_COLUMNS)
        .where(tasks.c.state == State.RUNNING.value, tasks.c.wake_at.is_not(None))
        .where(tasks.c.worker == worker)
    )
    return [task_of(row) for row in connection.execute(statement)]


def page(connection: Connection, sql: Sql, query: TaskQuery) -> Page:
    """One page (by the primary key, backwards, and over no more than MAX_LOOKED_AT rows)."""
    filters = _filters(sql, query)
    below = [] if query.before is None else [tasks.c.id < query.before]
    end = _end_of_window(connection, below) if filters else None
    window = below if end is None else [*below, tasks.c.id >= end]
    statement = select(*TASK_COLUMNS).where(*window, *filters).order_by(tasks.c.id.desc()).limit(query.limit + 1)
    found = [task_of(row) for row in connection.execute(statement)]
    if len(found) > query.limit:
        return Page(tuple(found[:-1]), found[-2].id)
    return Page(tuple(found), end)


def _end_of_window(connection: Connection, below: Collection[ColumnElement[bool]]) -> TaskId | None:
    """The last row that one page may look at; None when the table ends before that."""
    end, more = (
        select(tasks.c.id).where(*below).order_by(tasks.c.id.desc()).offset(skipped).limit(1)
        for skipped in (MAX_LOOKED_AT - 1, MAX_LOOKED_AT)
    )
    return None if connection.scalar(more) is None else connection.scalar(end)


def _filters(sql: Sql, query: TaskQuery) -> list[ColumnElement[bool]]:
    columns = tasks.c
    filters = {
        "state": None if query.state is None else columns.state == query.state.value,
        "type": None if query.type is None else columns.type == query.type,
        "queue": None if query.queue is None else columns.queue == query.queue,
        "queues": None if query.queues is None else columns.queue.in_(sorted(query.queues)),
        "key": None if query.key is None else columns.key == query.key,
        "tag": None if query.tag is None else sql.dialect.contains(columns.tags, tag_text(query.tag)),
        "after": None if query.created_after is None else columns.created_at >= query.created_after,
        "before": None if query.created_before is None else columns.created_at < query.created_before,
        "error": None if query.error_type is None else _has_error(query.error_type),
    }
    return [condition for condition in filters.values() if condition is not None]


def _has_error(error_type: str) -> ColumnElement[bool]:
    start = error_start(error_type)
    return func.substr(tasks.c.error, 1, len(start)) == start
