"""Decided changes, written only while what was seen still holds."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError

from duly.domain.errors import KeyTaken
from duly.domain.making import STATE
from duly.domain.state import COMPLETED, RUNNING
from duly.domain.task import ClaimToken, TaskId
from duly.domain.transition import Change
from duly.stores.sql.adding import add, holders
from duly.stores.sql.dialect import Sql
from duly.stores.sql.errors import Trouble
from duly.stores.sql.rows import changed_values, event_values
from duly.stores.sql.schema import events, tasks

ROW_WAIT = timedelta(seconds=1)
"""So long does a batch wait for rows that other transactions hold; then their changes have lost the race."""

Fence = tuple[int, ClaimToken | None, datetime | None]
"""The version, the token and the lease of a row."""


def plain(change: Change) -> bool:
    """Whether this is an ordinary completion: of its row it changes the outcome and nothing else."""
    before, after, events, adds, _ = change
    return (
        after.state is COMPLETED
        and after.finished_at is not None
        and before.state is RUNNING
        and not events
        and not adds
        and after[:STATE] == before[:STATE]
    )


def apply(connection: Connection, sql: Sql, changes: Sequence[Change]) -> list[Change]:
    """Write the changes that still hold; returns those that lost. Rows are locked in the order of their ids."""
    held = _hold(connection, sql, sorted({change.before.id for change in changes}))
    won: list[Change] = []
    lost: list[Change] = []
    for change in changes:
        holds = _holds(change, held.get(change.before.id))
        if holds:
            del held[change.before.id]  # of two changes of one task the first wins
        (won if holds else lost).append(change)
    _check_keys(connection, won)
    write(connection, won)
    adds = list(chain.from_iterable(change.adds for change in won))
    if adds:
        add(connection, sql, adds)
    return lost


def _holds(change: Change, found: Fence | None) -> bool:
    before = change.before
    if found is None or found[:2] != (before.version, before.token):
        return False
    return not change.judges_lease or found[2] == before.lease_until


def write(connection: Connection, won: Sequence[Change]) -> None:
    """Write changes whose rows are locked and fit, with their events."""
    shapes: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for change in won:
        values = _written(change)
        row = {f"row_{name}": value for name, value in values.items()} | {"row": change.before.id}
        shapes.setdefault(tuple(values), []).append(row)
    for names, rows in shapes.items():
        connection.execute(_update(names), rows)
    told = [event_values(event) for change in won for event in change.events]
    if told:
        connection.execute(insert(events), told)


def _written(change: Change) -> dict[str, object]:
    """The columns to write. A change of state always ends or sets the lease: it may have been renewed since."""
    before, after = change.before, change.after
    values = changed_values(before, after)
    if after.state is not before.state:
        values |= {"lease_until": after.lease_until, "wake_at": after.wake_at}
    if "progress_seq" in values:
        values["progress_seq"] = after.progress_seq - before.progress_seq
    return values


def _update(names: Sequence[str]) -> Update:
    values: dict[str, ColumnElement[Any]] = {name: bindparam(f"row_{name}") for name in names}
    if "progress_seq" in values:
        values["progress_seq"] = tasks.c.progress_seq + values["progress_seq"]
    return update(tasks).where(tasks.c.id == bindparam("row")).values(values)


def _hold(connection: Connection, sql: Sql, ids: Sequence[TaskId]) -> dict[TaskId, Fence]:
    """Lock these rows; those that are gone, or that another transaction keeps for long, are missing."""
    held = _lock(connection, ids, skip_locked=True)
    rest = [id_ for id_ in ids if id_ not in held]
    if not rest:
        return held
    try:
        with sql.dialect.savepoint(connection), sql.dialect.patience(connection, ROW_WAIT):
            return held | _lock(connection, rest, skip_locked=False)
    except DBAPIError as error:
        if sql.dialect.diagnose(error) is not Trouble.LOCKED:
            raise
        return held


def _lock(connection: Connection, ids: Sequence[TaskId], *, skip_locked: bool) -> dict[TaskId, Fence]:
    statement = (
        select(tasks.c.id, tasks.c.version, tasks.c.token, tasks.c.lease_until)
        .where(tasks.c.id.in_(ids))
        .order_by(tasks.c.id)
        .with_for_update(skip_locked=skip_locked)
    )
    return {TaskId(id_): (version, token, lease) for id_, version, token, lease in connection.execute(statement)}


def _check_keys(connection: Connection, won: Sequence[Change]) -> None:
    """Raise KeyTaken when a task that lives again would share its key with another."""
    revived = [change.after for change in won if change.before.final and not change.after.final]
    keys = [(task.type, task.key) for task in revived if task.key is not None]
    taken = set(holders(connection, keys)) | {key for key in keys if keys.count(key) > 1}
    for type_, key in keys:
        if (type_, key) in taken:
            raise KeyTaken(type_, key)
