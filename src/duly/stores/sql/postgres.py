"""PostgreSQL's own ways."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Table, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from duly.domain.task import TaskId
from duly.ports.store import StoreFacts
from duly.stores.sql.errors import Trouble, trouble_of
from duly.stores.sql.moments import Moments, PostgresMoments
from duly.stores.sql.schema import tasks

_STATES: dict[object, Trouble] = {
    "55P03": Trouble.LOCKED,
    "40001": Trouble.CONFLICT,
    "40P01": Trouble.CONFLICT,
    "23505": Trouble.EXISTS,
    "42P01": Trouble.NO_TABLE,
    "42703": Trouble.NO_TABLE,
    "25006": Trouble.READ_ONLY,
    "57014": Trouble.UNAVAILABLE,
    "3D000": Trouble.UNAVAILABLE,
    "28000": Trouble.UNAVAILABLE,
    "28P01": Trouble.UNAVAILABLE,
    "42501": Trouble.UNAVAILABLE,
}
"""SQLSTATEs (PostgreSQL manual, appendix A)."""

_CLASSES: dict[str, Trouble] = {
    "08": Trouble.UNAVAILABLE,
    "53": Trouble.UNAVAILABLE,
    "57": Trouble.UNAVAILABLE,
    "58": Trouble.UNAVAILABLE,
    "XX": Trouble.UNAVAILABLE,
    "22": Trouble.DATA,
    "23": Trouble.DATA,
    "54": Trouble.DATA,
}
"""The same by the class that the first two letters name."""

USUAL_PLANNER = {
    # A plan made once, when the tables were empty, would be kept when they are full.
    "plan_cache_mode": "force_custom_plan",
    # Every statement here has its index; without statistics the planner may not see that.
    "enable_seqscan": "off",
    "jit": "off",
}


class PostgresDialect:
    """A Dialect."""

    names = frozenset({"postgresql"})

    @property
    def moments(self) -> Moments:
        """See Dialect."""
        return PostgresMoments()

    def insert_new(self, table: Table) -> Insert:
        """See Dialect."""
        return insert(table).on_conflict_do_nothing()

    def put(self, table: Table) -> Insert:
        """See Dialect."""
        statement = insert(table)
        new = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
        return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=new)

    def contains(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        """See Dialect."""
        return func.strpos(column, text) > 0

    @contextmanager
    def patience(self, connection: Connection, longest: timedelta) -> Iterator[None]:
        """See Dialect. After an error the transaction or savepoint is rolled back, and the setting with it."""
        before = connection.scalar(select(func.current_setting("lock_timeout")))
        limit = f"{longest // timedelta(milliseconds=1)}ms"
        connection.execute(select(func.set_config("lock_timeout", limit, True)))  # SQL has no names
        yield
        connection.execute(select(func.set_config("lock_timeout", before, True)))

    def savepoint(self, connection: Connection) -> AbstractContextManager[object]:
        """See Dialect. Without one, any failed statement would spoil the caller's whole transaction."""
        return connection.begin_nested()

    def hold(self, connection: Connection, task_id: TaskId) -> None:
        """See Dialect."""
        connection.execute(select(tasks.c.id).where(tasks.c.id == task_id).with_for_update())

    def diagnose(self, error: BaseException) -> Trouble:
        """See Dialect."""
        origin = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(origin, "sqlstate", None)
        if isinstance(state, str) and state not in _STATES:
            return _CLASSES.get(state[:2], Trouble.BUG)
        return trouble_of(error, _STATES, state)

    def facts(self, connection: Connection) -> StoreFacts:
        """See Dialect."""
        commit, fsync, version = (
            connection.scalar(select(func.current_setting(name)))
            for name in ("synchronous_commit", "fsync", "server_version")
        )
        warnings = tuple(_dropped(connection))
        return StoreFacts("postgresql", str(version), _durability(str(commit), str(fsync)), warnings)


def _dropped(connection: Connection) -> Iterator[str]:
    """What was said at connecting and did not arrive: a pooler between us and the server keeps it to itself."""
    wrong = [
        f"{name} = {value}"
        for name, value in USUAL_PLANNER.items()
        if connection.scalar(select(func.current_setting(name))) != value
    ]
    if wrong:
        yield (
            f"Planner settings do not arrive, so statements may become many times slower when the tables fill: a pooler"
            f" drops them. Let it pass them, or set them for Duly's role (ALTER ROLE … SET {'; '.join(wrong)})."
        )


def _durability(commit: str, fsync: str) -> str:
    if fsync == "off":
        return "A commit survives the end of the server's process, but not of its machine (fsync=off)."
    if commit == "off":
        return "The last commits, up to about a second, may be lost with the server (synchronous_commit=off)."
    return f"A commit survives the crash of the server and the loss of power (synchronous_commit={commit}, fsync=on)."
