"""Opens stores."""

from datetime import timedelta

from duly.domain.errors import Misconfigured
from duly.ports.clock import Clock
from duly.ports.joined import Joined
from duly.stores.sql.clock import DatabaseClock
from duly.stores.sql.database import LONGEST_WAIT, database_at
from duly.stores.sql.dialect import sql_for
from duly.stores.sql.doubt import Doubt
from duly.stores.sql.joined import SqlJoined
from duly.stores.sql.runner import Waited, untold
from duly.stores.sql.store import SqlStore
from duly.stores.sql.versioned import check_version


async def open_sql_store(
    url: str,
    *,
    clock: Clock | None = None,
    longest: timedelta = LONGEST_WAIT,
    waited: Waited = untold,
    doubt: Doubt | None = None,
) -> SqlStore:
    """The store at ``sqlite:///…``, ``postgresql://…``, ``mysql://…`` or ``mariadb://…``, for the running event loop.

    With a clock, that one counts instead of the database's. No call takes longer than ``longest``; ``waited`` is
    told what of that was spent waiting for a connection. Stores with one ``doubt`` learn from each other which
    connections are dead. Raises StoreUnavailable, SchemaOutdated (see ``migrate``) and Misconfigured.
    """
    database = database_at(url, longest)
    clock = clock or database.clock
    sql = sql_for(database.dialect, clock)
    runner, lane = await database.open(sql, clock, waited, doubt or Doubt())
    followed = DatabaseClock(runner, sql)
    store = SqlStore(runner, lane, sql, followed, clock or followed)
    try:
        await runner.read(check_version)
        await followed.ask()
    except BaseException:
        await store.close()
        raise
    return store


def check_replica(url: str, of: str) -> None:
    """Raises Misconfigured unless the one address could be that of a replica of the other."""
    kind = type(database_at(of))
    if type(database_at(url)) is not kind or of.startswith("sqlite"):
        raise Misconfigured("DULY_DATABASE_REPLICA_URL: a replica is a server of the same kind as the database.")


def joined_for(url: str, *, clock: Clock | None = None) -> Joined:
    """The way into callers' transactions on this database, without a connection of its own. Raises Misconfigured."""
    return SqlJoined(sql_for(database_at(url, LONGEST_WAIT).dialect, clock))
