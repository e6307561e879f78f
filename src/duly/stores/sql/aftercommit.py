"""Callbacks that wait for the outermost commit of somebody else's transaction."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

Then = Callable[[], None]


class AfterCommit:
    """Knows what to call when a connection commits. Each callback is called once at most."""

    def __init__(self) -> None:
        self._hooks: WeakKeyDictionary[Connection, _Hooks] = WeakKeyDictionary()

    def call(self, connection: Connection, then: Then) -> None:
        """Call this after the commit of the transaction that is now open, and never when it is rolled back."""
        hooks = self._hooks.get(connection)
        if hooks is None:
            hooks = self._hooks[connection] = _Hooks()
            hooks.listen(connection)
        hooks.waiting.append(then)


class _Hooks:
    """Listens to one connection, whoever uses it: a Session commits and rolls back by its connection too."""

    def __init__(self) -> None:
        self.waiting: list[Then] = []
        self.savepoints: list[int] = []
        """How many callbacks waited when each savepoint that is now open was set, the outermost first. Savepoints that
        are older than the first callback are missing: rolling back to one of them undoes all that waits."""

    def listen(self, connection: Connection) -> None:
        event.listen(connection, "commit", self._commit)
        event.listen(connection, "rollback", self._rollback)
        event.listen(connection, "savepoint", self._savepoint)
        event.listen(connection, "release_savepoint", self._release_savepoint)
        event.listen(connection, "rollback_savepoint", self._rollback_savepoint)

    def _commit(self, connection: Connection) -> None:
        """The event comes before the commit and there is none after it: so commit here; a second one does nothing."""
        waiting, self.waiting, self.savepoints = self.waiting, [], []
        if waiting:
            _commit_now(connection)
        for then in waiting:
            then()

    def _rollback(self, _connection: Connection) -> None:
        self.waiting, self.savepoints = [], []

    def _savepoint(self, _connection: Connection, _name: None) -> None:
        """SQLAlchemy tells it before the savepoint has a name: they are known by their order."""
        self.savepoints.append(len(self.waiting))

    def _release_savepoint(self, _connection: Connection, _name: str, _context: None) -> None:
        if self.savepoints:
            self.savepoints.pop()

    def _rollback_savepoint(self, _connection: Connection, _name: str, _context: None) -> None:
        kept = self.savepoints.pop() if self.savepoints else 0
        del self.waiting[kept:]


def _commit_now(connection: Connection) -> None:
    dialect = connection.dialect
    error_class = dialect.loaded_dbapi.Error
    try:
        dialect.do_commit(connection.connection)
    except error_class as error:
        lost = dialect.is_disconnect(error, connection.connection, None)
        raise DBAPIError.instance(
            "COMMIT", None, error, error_class, connection_invalidated=lost, dialect=dialect
        ) from error
