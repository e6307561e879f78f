"""MySQL's and MariaDB's own ways."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Table, func, select
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import DBAPIError

from duly.domain.task import TaskId
from duly.ports.store import StoreFacts
from duly.stores.sql.codec import MYSQL_CODEC
from duly.stores.sql.errors import Trouble, trouble_of
from duly.stores.sql.hot import Speech
from duly.stores.sql.moments import Moments, MySqlMoments
from duly.stores.sql.mysql_completing import complete
from duly.stores.sql.schema import tasks

_CODES: dict[object, Trouble] = {
    1213: Trouble.CONFLICT,
    1020: Trouble.CONFLICT,
    1205: Trouble.LOCKED,
    3572: Trouble.LOCKED,
    1062: Trouble.EXISTS,
    1146: Trouble.NO_TABLE,
    1054: Trouble.NO_TABLE,
    1153: Trouble.DATA,
    1264: Trouble.DATA,
    1265: Trouble.DATA,
    1292: Trouble.DATA,
    1366: Trouble.DATA,
    1406: Trouble.DATA,
    1048: Trouble.DATA,
    3988: Trouble.DATA,
    1021: Trouble.UNAVAILABLE,
    1040: Trouble.UNAVAILABLE,
    1041: Trouble.UNAVAILABLE,
    1044: Trouble.UNAVAILABLE,
    1045: Trouble.UNAVAILABLE,
    1049: Trouble.UNAVAILABLE,
    1053: Trouble.UNAVAILABLE,
    1114: Trouble.UNAVAILABLE,
    1129: Trouble.UNAVAILABLE,
    1142: Trouble.UNAVAILABLE,
    1143: Trouble.UNAVAILABLE,
    1158: Trouble.UNAVAILABLE,
    1159: Trouble.UNAVAILABLE,
    1160: Trouble.UNAVAILABLE,
    1161: Trouble.UNAVAILABLE,
    1180: Trouble.UNAVAILABLE,
    1184: Trouble.UNAVAILABLE,
    1203: Trouble.UNAVAILABLE,
    1226: Trouble.UNAVAILABLE,
    1290: Trouble.READ_ONLY,
    1317: Trouble.UNAVAILABLE,
    1792: Trouble.READ_ONLY,
    1836: Trouble.READ_ONLY,
    1927: Trouble.UNAVAILABLE,
    1969: Trouble.UNAVAILABLE,
    2002: Trouble.UNAVAILABLE,
    2003: Trouble.UNAVAILABLE,
    2005: Trouble.UNAVAILABLE,
    2006: Trouble.UNAVAILABLE,
    2013: Trouble.UNAVAILABLE,
    3024: Trouble.UNAVAILABLE,
}
"""Error numbers (MySQL error reference; MariaDB error codes)."""

_FLUSHED = {
    "0": "The last second of commits may be lost when the server crashes",
    "1": "A commit survives the crash of the server and the loss of power",
    "2": "A commit survives the crash of the server; the last second may be lost with the power",
}


def rows(connection: Connection, columns: Sequence[str], rest: str, values: Sequence[object]) -> Sequence[Any]:
    """See Speech."""
    return connection.exec_driver_sql(f"SELECT {', '.join(columns)} {rest}", tuple(values)).all()


SPEECH = Speech(
    codec=MYSQL_CODEC,
    mark="%s",
    now="UTC_TIMESTAMP(6)",
    by_order="FORCE INDEX (duly_tasks_ready)",
    by_key="FORCE INDEX (PRIMARY)",
    place="id",
    lock="FOR UPDATE SKIP LOCKED",
    rows=rows,
    complete=complete,
)


class MySqlDialect:
    """A Dialect."""

    names = frozenset({"mysql", "mariadb"})

    @property
    def moments(self) -> Moments:
        """See Dialect."""
        return MySqlMoments()

    def insert_new(self, table: Table) -> Insert:
        """See Dialect. Not INSERT IGNORE: that would also bend values until they fit."""
        same = next(iter(table.primary_key))
        return insert(table).on_duplicate_key_update({same.name: same})

    def put(self, table: Table) -> Insert:
        """See Dialect."""
        statement = insert(table)
        new = {column.name: statement.inserted[column.name] for column in table.columns if not column.primary_key}
        return statement.on_duplicate_key_update(new)

    def contains(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        """See Dialect."""
        return func.instr(column, text) > 0

    @contextmanager
    def patience(self, connection: Connection, longest: timedelta) -> Iterator[None]:
        """See Dialect. The setting is the session's, so it is put back whatever happens."""
        before = connection.exec_driver_sql("SELECT @@SESSION.innodb_lock_wait_timeout").scalar_one()
        connection.exec_driver_sql(f"SET SESSION innodb_lock_wait_timeout = {max(1, longest // timedelta(seconds=1))}")
        try:
            yield
        finally:
            if not connection.invalidated:
                connection.exec_driver_sql(f"SET SESSION innodb_lock_wait_timeout = {int(before)}")

    def savepoint(self, connection: Connection) -> AbstractContextManager[object]:
        """See Dialect. None here: a failed statement undoes nothing but itself, and a deadlock all savepoints too."""
        return nullcontext(connection)

    def hold(self, connection: Connection, task_id: TaskId) -> None:
        """See Dialect."""
        connection.execute(select(tasks.c.id).where(tasks.c.id == task_id).with_for_update())

    def diagnose(self, error: BaseException) -> Trouble:
        """See Dialect."""
        origin = error.orig if isinstance(error, DBAPIError) else error
        arguments = getattr(origin, "args", ())
        code = arguments[0] if arguments and isinstance(arguments[0], int) and arguments[0] else None
        return trouble_of(error, _CODES, code)

    def facts(self, connection: Connection) -> StoreFacts:
        """See Dialect."""
        version, flushed, binary_log, synced = connection.exec_driver_sql(
            "SELECT @@version, @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog"
        ).one()
        kind = "mariadb" if "mariadb" in version.lower() else "mysql"
        settings = f"innodb_flush_log_at_trx_commit={flushed}"
        if binary_log:
            settings += f", sync_binlog={synced}"
        return StoreFacts(kind, version, f"{_FLUSHED.get(str(flushed), 'Durability is unknown')} ({settings}).")
