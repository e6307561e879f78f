"""What many workers cost while nothing happens, and how they share work when there is some.

Run: python -m benchmarks.fleet [--workers 10] [--in-processes 10] [--shared] [--seconds 30] [--tasks 2000]

Workers on a PostgreSQL of their own, which commits to the disk, and no API process: ``duly worker --processes N``,
or, with fewer processes than workers, as many workers in each, with connections of their own or, with --shared, with
those of the process. One row for a rest, and one for each kind of work: tasks that are done at once, and tasks that
wait for 100 ms. How long claims took is as the workers saw it, with the wait for a connection.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import sqlalchemy as sa
from benchmarks.fleet.app import duly as app
from benchmarks.fleet.looks import Looks, cells

from duly.assembly import open_core
from duly.engine.submission import Submission
from duly.settings import Settings
from duly.stores.sql.migrate import migrate
from duly.telemetry.spool import Spool
from tests.support.databases import blocking_url
from tests.support.processes import eventually
from tests.support.servers import PostgresServer, ended

WARM_SECONDS = 20
START_SECONDS = 1_200
UNTIL_TOLD = 2
"""Processes tell once a second what they have counted."""

BATCH = 100
APP = ("benchmarks.fleet.app:duly", "--app-dir", str(Path(__file__).parents[2]), "--queues", "default,media,web")


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many workers in so many processes."""

    workers: int
    processes: int
    shared: bool

    @contextmanager
    def working(self, env: dict[str, str], looks: Looks) -> Iterator[list[psutil.Process]]:
        """The processes, once all workers are there and have come to rest."""
        with ExitStack() as stack:
            parents = [stack.enter_context(_running(command, env)) for command in self._commands()]
            eventually(lambda: looks.workers() == self.workers, START_SECONDS)
            time.sleep(WARM_SECONDS)
            own = [psutil.Process(parent.pid) for parent in parents]
            yield own[0].children() if self.processes == self.workers > 1 else own

    def _commands(self) -> list[list[str]]:
        if self.processes == self.workers:
            return [[sys.executable, "-m", "duly", "worker", *APP, "--processes", str(self.processes)]]
        each, rest = divmod(self.workers, self.processes)
        counts = [each + (number < rest) for number in range(self.processes)]
        how = ["--shared"] if self.shared else []
        return [[sys.executable, "-m", "benchmarks.fleet.crowded", str(count), *how] for count in counts]


@contextmanager
def _running(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as parent:
        try:
            yield parent
        finally:
            parent.send_signal(signal.SIGTERM)


@contextmanager
def a_server(max_connections: int) -> Iterator[PostgresServer]:
    """A PostgreSQL with the tables in it."""
    with tempfile.TemporaryDirectory(prefix="duly-fleet-") as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "server"
        folder.mkdir()
        server = PostgresServer(folder, "fsync=on", f"max_connections={max_connections}")
        with ended(server):
            asyncio.run(migrate(server.url))
            yield server


async def submit(settings: Settings, kind: str, count: int) -> None:
    """Commit so many tasks, a hundred to a transaction, and ring for them as an API process does."""
    async with open_core(settings, app.handlers) as core:
        for start in range(0, count, BATCH):
            part = range(start, min(start + BATCH, count))
            await core.service.tasks.submit_many([Submission(type=kind, payload={"number": each}) for each in part])


def environment(server: PostgresServer, told: Path, bell_url: str) -> dict[str, str]:
    """What the workers are told, and nothing that is set here for somebody else."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DULY_")}
    env |= {"DULY_LOG_LEVEL": "warning", "DULY_DATABASE_URL": server.url, "DULY_QUEUES": "default,media,web"}
    return env | {"DULY_METRICS_DIR": str(told), "DULY_BELL_URL": bell_url}


def measured(fleet: Fleet, server: PostgresServer, told: Path, given: argparse.Namespace) -> Iterator[str]:
    """A row for the rest, and one for each kind of work."""
    engine = sa.create_engine(blocking_url(server.url), poolclass=sa.NullPool)
    env = environment(server, told, given.bell_url)
    looks = Looks(engine, Spool(told))
    began = time.monotonic()
    with fleet.working(env, looks) as processes:
        print(f"started and come to rest within {time.monotonic() - began:.0f} s", file=sys.stderr)
        look = partial(looks.used, processes)
        before = look()
        time.sleep(given.seconds)
        yield cells("rest", fleet.workers, fleet.processes, *looks.idle(before, look(), processes, fleet.workers))
        for kind in ("fleet.short", "fleet.wait") if given.tasks else ():
            before = look()
            asyncio.run(submit(Settings(database_url=server.url, bell_url=given.bell_url), kind, given.tasks))
            eventually(lambda kind=kind: looks.left(kind) == 0, START_SECONDS)
            time.sleep(UNTIL_TOLD)
            yield cells(kind, fleet.workers, fleet.processes, *looks.busy(before, look(), kind, given.tasks))


def main() -> int:
    """Print the rows as they come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--in-processes", type=int)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--tasks", type=int, default=2_000)
    parser.add_argument("--max-connections", type=int, default=1_500)
    parser.add_argument("--bell-url", default="", help="A Redis that rings instead of PostgreSQL.")
    parser.add_argument("--shared", action="store_true", help="The workers of a process share its connections.")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that server and workers end too
    fleet = Fleet(given.workers, given.in_processes or given.workers, given.shared)
    with a_server(given.max_connections) as server, tempfile.TemporaryDirectory() as told:
        for row in measured(fleet, server, Path(told), given):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
