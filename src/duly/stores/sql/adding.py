"""New tasks."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from duly.domain.errors import KeyInFlight, KeyTaken, StoreUnavailable
from duly.domain.task import Task, TaskId
from duly.stores.sql.dialect import Sql
from duly.stores.sql.errors import Trouble
from duly.stores.sql.reading import get
from duly.stores.sql.rows import TASK_COLUMNS, task_of, values_of
from duly.stores.sql.runner import MAX_TRIES
from duly.stores.sql.schema import tasks

KEY_WAIT = timedelta(seconds=1)
"""So long does a submit wait for somebody's open transaction that holds its key."""

Key = tuple[str, str]


def add(connection: Connection, sql: Sql, new: Sequence[Task], within: Collection[str] | None = None) -> list[Task]:
    """Insert those whose id and key are free. Returns, in order, what is stored for each.

    Raises KeyTaken when a key is held by a task of a queue that is not ``within`` these.
    """
    stored: dict[TaskId, Task] = {}
    for _ in range(MAX_TRIES):
        missing = [task for task in new if task.id not in stored]
        if not missing:
            return [stored[task.id] for task in new]
        _insert_free(connection, sql, missing)
        stored |= _found(connection, missing)
        _check_holders(stored.values(), within)
    # Each time the key's holder ended between our insert, which it stopped, and our look at it.
    raise StoreUnavailable("A key changed hands again and again.")


def _insert_free(connection: Connection, sql: Sql, new: Sequence[Task]) -> None:
    """Keys are locked in their order, so that two batches with the same keys do not lock each other out."""
    rows = [values_of(task) for task in sorted(new, key=_lock_order)]
    keys = [task.key for task in new if task.key is not None]
    if not keys:
        connection.execute(sql.dialect.insert_new(tasks), rows)
        return
    try:
        with sql.dialect.patience(connection, KEY_WAIT):
            connection.execute(sql.dialect.insert_new(tasks), rows)
    except DBAPIError as error:
        if sql.dialect.diagnose(error) is Trouble.LOCKED:
            raise KeyInFlight(keys[0]) from error
        raise


def _lock_order(task: Task) -> tuple[str, str, TaskId]:
    return (task.type, task.key or "", task.id)


def _found(connection: Connection, new: Sequence[Task]) -> dict[TaskId, Task]:
    """What is stored for each: itself, or the live task that holds its key."""
    found = get(connection, [task.id for task in new])
    others = [task for task in new if task.id not in found and task.key is not None]
    if others:
        holding = holders(connection, (_key(task) for task in others))
        found |= {task.id: holding[_key(task)] for task in others if _key(task) in holding}
    return found


def holders(connection: Connection, keys: Iterable[Key]) -> dict[Key, Task]:
    """The live task of each of these types and keys, where there is one (by the unique index of live keys)."""
    by_type: dict[str, set[str]] = {}
    for type_, key in keys:
        by_type.setdefault(type_, set()).add(key)
    found: dict[Key, Task] = {}
    for type_, wanted in by_type.items():
        statement = select(*TASK_COLUMNS).where(tasks.c.type == type_, tasks.c.live_key.in_(wanted))
        found |= {_key(task): task for task in map(task_of, connection.execute(statement))}
    return found


def _check_holders(stored: Iterable[Task], within: Collection[str] | None) -> None:
    for task in stored:
        if within is not None and task.queue not in within:
            raise KeyTaken(*_key(task))


def _key(task: Task) -> Key:
    return (task.type, task.key or "")
