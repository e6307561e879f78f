"""A server that takes no writes, and one that does at the same address a moment later: a failover."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pymysql
import pytest
from sqlalchemy.engine import make_url

from duly.domain.errors import StoreUnavailable
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from tests.support.builders import a_task
from tests.support.database_servers import mariadb_server
from tests.support.databases import postgres_database


@contextmanager
def _postgres() -> Iterator[tuple[str, str]]:
    with postgres_database() as url:
        yield url, f'ALTER DATABASE "{make_url(url).database}" SET default_transaction_read_only = '


@contextmanager
def _mariadb() -> Iterator[tuple[str, str]]:
    with mariadb_server() as server:
        yield server.url, "SET GLOBAL tx_read_only = "


def _say(url: str, statement: str) -> None:
    at = make_url(url)
    if at.get_backend_name() == "postgresql":
        with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
            connection.execute(statement)
        return
    with pymysql.connect(host=at.host, port=at.port or 3306, user=at.username, database=at.database) as connection:
        connection.cursor().execute(statement)


async def _can_write(store, **given) -> bool:
    try:
        await store.tasks.add([a_task(**given)])
    except StoreUnavailable:
        return False
    return True


@pytest.mark.mistake(34)
@pytest.mark.parametrize("place", [_postgres, _mariadb])
async def test_connections_to_a_server_that_takes_no_writes_are_not_kept(place):
    """What a setting says to new connections only, stands for which server they led to: those that were opened on the
    wrong one were used on and on, and each write failed until the process was restarted."""
    with place() as (url, read_only):
        await migrate(url)
        await asyncio.to_thread(_say, url, read_only + "on")
        store = await open_sql_store(url)
        before = [await _can_write(store), await _can_write(store, key="before")]

        await asyncio.to_thread(_say, url, read_only + "off")

        after = [await _can_write(store), await _can_write(store, key="after")]
        await store.close()
        assert (before, after) == ([False, False], [True, True])
