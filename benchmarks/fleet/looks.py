"""What is seen of workers and of their PostgreSQL."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import sqlalchemy as sa

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
WORKERS = "SELECT count(*) FROM duly_workers"
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
SERVER = "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int"
LEFT = "SELECT count(*) FROM duly_tasks WHERE type = :kind AND state <> 'completed'"
SPREAD = "SELECT count(*) FROM duly_tasks WHERE type = :kind GROUP BY worker"
LASTED = "SELECT extract(epoch FROM max(finished_at) - min(created_at)) FROM duly_tasks WHERE type = :kind"
WAITED = (
    "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at)) "
    "FROM duly_tasks WHERE type = :kind"
)


@dataclass(frozen=True, slots=True)
class Used:
    """Processor seconds and transactions up to a moment."""

    at: float
    workers: float
    server: float
    transactions: int


class Looks:
    """Looks at one server and at the processes of its workers."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def workers(self) -> int:
        """That have given a sign of life."""
        return int(self._one(WORKERS))

    def left(self, kind: str) -> int:
        """Tasks of this type that are not completed."""
        return int(self._one(LEFT, kind=kind))

    def used(self, processes: Sequence[psutil.Process]) -> Used:
        """What workers and server have used so far."""
        server = psutil.Process(self._one(SERVER))
        backends = [server, *server.children()]
        return Used(time.monotonic(), _seconds(processes), _seconds(backends), int(self._one(TRANSACTIONS)))

    def idle(
        self, before: Used, after: Used, processes: Sequence[psutil.Process], workers: int
    ) -> tuple[str, str, str, str, str, str]:
        """Connections, transactions/s, processor time of workers and server, memory, load of the machine."""
        lasted = after.at - before.at
        memory = sum(process.memory_full_info().pss for process in processes) / workers / 2**20
        return (
            str(self._one(CONNECTIONS)),
            f"{(after.transactions - before.transactions) / lasted:.1f}",
            f"{(after.workers - before.workers) / lasted:.1%}",
            f"{(after.server - before.server) / lasted:.1%}",
            f"{memory:.0f} MiB",
            _load(),
        )

    def busy(self, before: Used, after: Used, kind: str, tasks: int) -> tuple[str, ...]:
        """Seconds, waits, tasks of a worker, transactions and processor time for each task, load of the machine."""
        with self._engine.connect() as connection:
            spread = list(connection.execute(sa.text(SPREAD), {"kind": kind}).scalars())
        half, most = self._one(WAITED, kind=kind)
        return (
            f"{self._one(LASTED, kind=kind):.1f} s",
            f"waits {half * 1000:.0f}, {most * 1000:.0f} ms",
            f"{len(spread)} workers had {min(spread)}, {statistics.median(spread):.0f}, {max(spread)}",
            f"{(after.transactions - before.transactions) / tasks:.2f} transactions",
            f"{(after.workers - before.workers) / tasks * 1000:.2f} ms",
            f"{(after.server - before.server) / tasks * 1000:.2f} ms",
            _load(),
        )

    def _one(self, statement: str, **values: object):  # type: ignore[no-untyped-def]  # whatever the statement gives
        with self._engine.connect() as connection:
            return connection.execute(sa.text(statement), values).scalar_one()


def cells(*values: object) -> str:
    """A row of a table."""
    return "| " + " | ".join(map(str, values)) + " |"


def _seconds(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _load() -> str:
    return f"load {psutil.getloadavg()[0]:.0f}"
