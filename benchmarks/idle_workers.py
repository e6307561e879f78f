"""What workers cost while nothing happens: connections and transactions of PostgreSQL, processor time, memory.

Run: python -m benchmarks.idle_workers [--workers 1,4,8] [--broker none] [--seconds 30]

`duly worker --processes N` with the tour's handlers, on a PostgreSQL server of its own; no API process.
"""

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import sqlalchemy as sa
from benchmarks.pairs.service import a_broker, a_place

from duly.stores.sql.migrate import migrate
from tests.support.databases import blocking_url
from tests.support.processes import eventually
from tests.support.servers import PostgresServer, ended

HEAD = (
    "| worker processes | connections | transactions/s | processor time | memory of one |\n"
    "| ---: | ---: | ---: | ---: | ---: |"
)
WARM_SECONDS = 20
EXAMPLES = Path(__file__).parents[1] / "examples"

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
WORKERS = "SELECT count(*) FROM duly_workers"
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"


@contextmanager
def working(count: int, env: dict[str, str], engine: sa.Engine) -> Iterator[list[psutil.Process]]:
    """The worker processes, once all are there and have come to rest."""
    command = (sys.executable, "-m", "duly", "worker", "tour.app:duly", "--app-dir", str(EXAMPLES))
    with subprocess.Popen([*command, "--processes", str(count)], env=env, stderr=subprocess.DEVNULL) as parent:
        try:
            eventually(lambda: _one(engine, WORKERS) == count)
            time.sleep(WARM_SECONDS)
            own = psutil.Process(parent.pid)
            yield own.children() if count > 1 else [own]
        finally:
            parent.send_signal(signal.SIGTERM)


def row(count: int, kind: str, seconds: float) -> str:
    """One row of the table."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="duly-idle-")))
        server, folder = place / "server", place / "folder"
        server.mkdir()
        folder.mkdir()
        place.chmod(0o755)
        url = stack.enter_context(ended(PostgresServer(server))).url
        asyncio.run(migrate(url))
        env = dict(a_place(folder, url, stack.enter_context(a_broker(kind, folder))).env)
        engine = sa.create_engine(blocking_url(url), poolclass=sa.NullPool)
        return _looked_at(engine, stack.enter_context(working(count, env, engine)), seconds)


def _looked_at(engine: sa.Engine, workers: list[psutil.Process], seconds: float) -> str:
    began, used, done = time.monotonic(), _used(workers), _one(engine, TRANSACTIONS)
    time.sleep(seconds)
    lasted = time.monotonic() - began
    busy, rate = (_used(workers) - used) / lasted, (_one(engine, TRANSACTIONS) - done) / lasted
    memory = sum(worker.memory_info().rss for worker in workers) / len(workers) / 2**20
    cells = (
        str(len(workers)),
        str(_one(engine, CONNECTIONS)),
        f"{rate:.1f}",
        f"{busy:.1%} of a core",
        f"{memory:.0f} MiB",
    )
    return "| " + " | ".join(cells) + " |"


def _used(workers: list[psutil.Process]) -> float:
    return sum(sum(worker.cpu_times()[:2]) for worker in workers)


def _one(engine: sa.Engine, statement: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.text(statement)).scalar_one())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,4,8")
    parser.add_argument("--broker", default="none", choices=("none", "rabbitmq", "redis"))
    parser.add_argument("--seconds", type=float, default=30)
    given = parser.parse_args()
    print(HEAD, flush=True)
    for count in given.workers.split(","):
        print(row(int(count), given.broker, given.seconds), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
