"""What is seen of workers and of their PostgreSQL."""

import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
import sqlalchemy as sa

from duly.domain.families import CLAIM_TIME, FAMILIES
from duly.domain.figures import Sets, merged
from duly.telemetry.spool import Spool

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
    """Processor seconds, transactions, and claims by how long they took, up to a moment."""

    at: float
    workers: float
    server: float
    transactions: int
    claims: Sequence[float]


class Looks:
    """Looks at one server and at the processes of its workers."""

    def __init__(self, engine: sa.Engine, told: Spool) -> None:
        self._engine = engine
        self._told = told

    def workers(self) -> int:
        """That have given a sign of life."""
        return int(self._one(WORKERS))

    def left(self, kind: str) -> int:
        """Tasks of this type that are not completed."""
        return int(self._one(LEFT, kind=kind))

    def used(self, processes: Sequence[psutil.Process]) -> Used:
        """What workers and server have used so far."""
        server = psutil.Process(self._one(SERVER))
        transactions = int(self._one(TRANSACTIONS))
        return Used(time.monotonic(), _seconds(processes), _with_ended(server), transactions, self._claims())

    def idle(self, before: Used, after: Used, processes: Sequence[psutil.Process], workers: int) -> tuple[str, ...]:
        """Connections, transactions/s, processor time and memory of workers and server, claims, load."""
        lasted = after.at - before.at
        return (
            str(self._one(CONNECTIONS)),
            f"{(after.transactions - before.transactions) / lasted:.1f}",
            f"{(after.workers - before.workers) / lasted:.1%}",
            f"{(after.server - before.server) / lasted:.1%}",
            f"{_mebibytes(processes) / workers:.0f} MiB a worker",
            f"{_mebibytes(_and_children(psutil.Process(self._one(SERVER)))):.0f} MiB the server",
            _claimed(before, after),
            _load(),
        )

    def busy(self, before: Used, after: Used, kind: str, tasks: int) -> tuple[str, ...]:
        """Seconds, waits, claims, tasks of a worker, transactions and processor time for each task, load."""
        with self._engine.connect() as connection:
            spread = list(connection.execute(sa.text(SPREAD), {"kind": kind}).scalars())
        half, most = self._one(WAITED, kind=kind)
        return (
            f"{self._one(LASTED, kind=kind):.1f} s",
            f"waits {half * 1000:.0f}, {most * 1000:.0f} ms",
            _claimed(before, after),
            f"{len(spread)} workers had {min(spread)}, {statistics.median(spread):.0f}, {max(spread)}",
            f"{(after.transactions - before.transactions) / tasks:.2f} transactions",
            f"{(after.workers - before.workers) / tasks * 1000:.2f} ms",
            f"{(after.server - before.server) / tasks * 1000:.2f} ms",
            _load(),
        )

    def _claims(self) -> Sequence[float]:
        """How many took how long, of all workers; the last number is the sum of the seconds."""
        figures = merged(self._told.others(), FAMILIES, Sets())
        return figures.get(CLAIM_TIME.name, {}).get((), CLAIM_TIME.zero())

    def _one(self, statement: str, **values: object):  # type: ignore[no-untyped-def]  # whatever the statement gives
        with self._engine.connect() as connection:
            return connection.execute(sa.text(statement), values).scalar_one()


def cells(*values: object) -> str:
    """A row of a table."""
    return "| " + " | ".join(map(str, values)) + " |"


def quantile(counts: Sequence[float], share: float) -> float:
    """Seconds that this share of the claims did not exceed, evenly spread within each bucket, as Prometheus has it."""
    wanted, below, seen = share * sum(counts), 0.0, 0.0
    for bound, count in zip(CLAIM_TIME.bounds, counts, strict=False):
        if count and seen + count >= wanted:
            return below + (bound - below) * (wanted - seen) / count
        below, seen = bound, seen + count
    return below


def _claimed(before: Used, after: Used) -> str:
    counts = [late - early for early, late in zip(before.claims[:-1], after.claims[:-1], strict=True)]
    half, most = quantile(counts, 0.5), quantile(counts, 0.99)
    return f"{sum(counts):.0f} claims took {half * 1000:.1f}, {most * 1000:.0f} ms"


def _mebibytes(processes: Sequence[psutil.Process]) -> float:
    """Of those that are there: connections come and go."""
    taken = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            taken += process.memory_full_info().pss
    return taken / 2**20


def _and_children(server: psutil.Process) -> list[psutil.Process]:
    return [server, *server.children()]


def _with_ended(server: psutil.Process) -> float:
    """Of the server, with its connections that have ended."""
    return _seconds(_and_children(server)) + sum(server.cpu_times()[2:4])


def _seconds(processes: Sequence[psutil.Process]) -> float:
    used = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            used += sum(process.cpu_times()[:2])
    return used


def _load() -> str:
    return f"load {psutil.getloadavg()[0]:.0f}"
