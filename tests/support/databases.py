"""Databases for tests: each is made on a real server for one test or module and dropped after it.

Servers are found by DULY_TEST_POSTGRES_URL and DULY_TEST_MYSQL_URL. One that cannot be reached skips its tests, unless
DULY_TEST_REQUIRE_ALL=1, when they fail.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import psycopg
import pymysql
import pytest
from sqlalchemy.engine import URL, make_url

POSTGRES_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
MYSQL_URL = "mysql://root@127.0.0.1:3306/"


@contextmanager
def sqlite_database(folder: Path) -> Iterator[str]:
    """The address of a new SQLite file in the folder."""
    yield f"sqlite:///{folder / 'duly.db'}"


@contextmanager
def postgres_database() -> Iterator[str]:
    """The address of a new database on the PostgreSQL server, dropped at the end."""
    url = os.environ.get("DULY_TEST_POSTGRES_URL", POSTGRES_URL)
    name = _new_name()
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        _unreachable("PostgreSQL", "DULY_TEST_POSTGRES_URL", error)
    with connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield _with_database(url, name)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def mysql_database() -> Iterator[str]:
    """The address of a new database on the MySQL or MariaDB server, dropped at the end."""
    url = os.environ.get("DULY_TEST_MYSQL_URL", MYSQL_URL)
    name = _new_name()
    at = make_url(url)
    try:
        connection = pymysql.connect(
            host=at.host,
            port=at.port or 3306,
            user=at.username,
            password=at.password or "",
            connect_timeout=5,
            ssl_disabled=True,
        )
    except pymysql.OperationalError as error:
        _unreachable("MySQL or MariaDB", "DULY_TEST_MYSQL_URL", error)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}`")
        try:
            yield _with_database(url, name)
        finally:
            cursor.execute(f"DROP DATABASE `{name}`")


def blocking_url(url: str) -> URL:
    """The address as SQLAlchemy's synchronous drivers want it."""
    at = make_url(url)
    match at.drivername:
        case "postgresql":
            return at.set(drivername="postgresql+psycopg")
        case "mysql" | "mariadb":
            # Else PyMySQL reads all certificates of the world for each connection.
            return at.set(drivername="mysql+pymysql").update_query_dict({"ssl_disabled": "true"})
        case _:
            return at


@pytest.fixture
def sqlite_url(tmp_path: Path) -> Iterator[str]:
    with sqlite_database(tmp_path) as url:
        yield url


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with postgres_database() as url:
        yield url


@pytest.fixture
def mysql_url() -> Iterator[str]:
    with mysql_database() as url:
        yield url


@pytest.fixture(scope="module")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], AbstractContextManager[str]]:
    """``with new_database("postgresql") as url`` for "sqlite", "postgresql" or "mysql"."""

    def make(kind: str) -> AbstractContextManager[str]:
        match kind:
            case "sqlite":
                return sqlite_database(tmp_path_factory.mktemp("sqlite"))
            case "postgresql":
                return postgres_database()
            case _:
                return mysql_database()

    return make


def _new_name() -> str:
    return f"duly_test_{uuid4().hex[:12]}"


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _unreachable(server: str, variable: str, error: Exception) -> NoReturn:
    reason = f"{server} cannot be reached (set {variable}): {error}"
    if os.environ.get("DULY_TEST_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
