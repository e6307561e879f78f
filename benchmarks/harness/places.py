"""Where contestants keep their tasks: databases and brokers of this measurement's own, removed at the end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from tests.support.databases import mysql_database, postgres_database
from tests.support.servers import PostgresServer, RabbitServer, RedisServer, ended

Env = Mapping[str, str]
Place = Callable[[Path], AbstractContextManager[Env]]


@contextmanager
def postgresql(_folder: Path) -> Iterator[Env]:
    """A new database on the PostgreSQL server."""
    with postgres_database() as url:
        yield {"BENCH_URL": url, "DULY_DATABASE_URL": url}


@contextmanager
def vacuumed_postgresql(folder: Path) -> Iterator[Env]:
    """A PostgreSQL of our own that cleans up by itself, as it does unless somebody has told it otherwise."""
    with ended(PostgresServer(_own(folder, "postgresql"), "fsync=on", "autovacuum=on")) as server:
        yield {"BENCH_URL": server.url, "DULY_DATABASE_URL": server.url}


@contextmanager
def mariadb(_folder: Path) -> Iterator[Env]:
    """A new database on the MariaDB server."""
    with mysql_database() as url:
        yield {"BENCH_URL": url, "DULY_DATABASE_URL": url}


@contextmanager
def sqlite(folder: Path) -> Iterator[Env]:
    """A new file."""
    url = f"sqlite:///{folder / 'bench.db'}"
    yield {"BENCH_URL": url, "DULY_DATABASE_URL": url}


@contextmanager
def redis(folder: Path) -> Iterator[Env]:
    """A Redis of our own, without AOF and snapshots, as it is mostly used for queues: it keeps nothing."""
    server = RedisServer(_own(folder, "redis"))
    try:
        server.start()
        yield {"BENCH_REDIS": server.url}
    finally:
        server.kill()


@contextmanager
def rabbitmq(folder: Path) -> Iterator[Env]:
    """A RabbitMQ node of our own."""
    server = RabbitServer(_own(folder, "rabbitmq"))
    try:
        server.start()
        yield {"BENCH_AMQP": server.url}
    finally:
        server.kill()


def both(*places: Place, **names: str) -> Place:
    """Several at once; ``names`` gives a variable the value of another (``DULY_BROKER_URL="BENCH_AMQP"``)."""

    @contextmanager
    def place(folder: Path) -> Iterator[Env]:
        with ExitStack() as stack:
            env: dict[str, str] = {}
            for one in places:
                env |= stack.enter_context(one(folder))
            yield env | {name: env[other] for name, other in names.items()}

    return place


@contextmanager
def nothing(_folder: Path) -> Iterator[Env]:
    """No server at all."""
    yield {}


def _own(folder: Path, name: str) -> Path:
    own = folder / name
    own.mkdir()
    return own
