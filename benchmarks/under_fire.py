"""The main job under fire: thousands of tour tasks through HTTP while workers are killed by -9 every few seconds.

Run: python -m benchmarks.under_fire [--tasks 10000] [--databases sqlite,postgresql,mariadb] [--seed 1] [--lease 5s]

Prints a table, and every promise that was broken; the exit code is 1 if there is one. The databases are made on the
servers that the tests use (DULY_TEST_POSTGRES_URL, DULY_TEST_MYSQL_URL) and dropped.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
from benchmarks.job.killer import Killer
from benchmarks.job.mix import Item, a_mix
from benchmarks.job.verdict import Verdict, judge

from duly.stores.sql.migrate import migrate
from tests.support.databases import mysql_database, postgres_database, sqlite_database
from tests.support.processes import eventually
from tests.support.service import Place, answers, free_port

ROOT = Path(__file__).parents[1]
APP = ("benchmarks.job.app:duly", "--app-dir", str(ROOT))
DATABASES = ("sqlite", "postgresql", "mariadb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much, and how hard."""

    tasks: int = 10_000
    seed: int = 1
    processes: int = 3
    slots: int = 8
    lease: str = "5s"
    pause: tuple[float, float] = (2.0, 5.0)
    """Seconds between two kills."""
    patience: float = 3600


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the table."""

    database: str
    tasks: int
    kills: int
    verdict: Verdict
    seconds: float

    @property
    def row(self) -> str:
        seen = self.verdict
        rate = self.tasks / self.seconds
        cells = (self.tasks, self.kills, seen.rerun, seen.crashes, seen.refused, f"{self.seconds:.0f} s", f"{rate:.0f}")
        return "| " + " | ".join(map(str, (self.database, *cells, len(seen.broken)))) + " |"


HEAD = (
    "| database | tasks | kills | run again | crashes charged | refused writes | time | tasks/s | promises broken |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def run(database: str, url: str, folder: Path, plan: Plan) -> Outcome:
    """The whole job on one empty, migrated database."""
    random = Random(plan.seed)
    items = a_mix(plan.tasks, random)
    place, port = _place(folder, url, plan), free_port()
    base = f"http://127.0.0.1:{port}"
    workers = ("--processes", str(plan.processes), "--slots", str(plan.slots))
    with (
        place.duly("api", *APP, "--port", str(port)) as api,
        httpx.Client(base_url=base, timeout=60) as http,
    ):
        eventually(partial(answers, base), 120)
        with place.duly("worker", *APP, *workers) as worker:
            eventually(lambda: worker.said("worker.started"), 120)
            killer, began = Killer(worker.process.pid, worker.log, random, plan.pause), time.monotonic()
            with killer.at_work():
                submitted = _submit(http, items)
                eventually(partial(all_final, http), plan.patience)
                seconds = time.monotonic() - began
            verdict = judge(http, submitted, [worker.log, api.log], folder / "record")
    return Outcome(database, plan.tasks, killer.kills, verdict, seconds)


def _place(folder: Path, url: str, plan: Plan) -> Place:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DULY_")}
    own = {
        "DULY_DATABASE_URL": url,
        "DULY_LEASE": plan.lease,
        "DULY_LOG_FORMAT": "json",
        "JOB_RECORD": str(folder / "record"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "examples"), env.get("PYTHONPATH")])),
    }
    return Place(folder, env | own)


def _submit(http: httpx.Client, items: Sequence[Item]) -> dict[str, Item]:
    """Nine in ten in batches, the rest one by one, four at a time. Each that was accepted, by its id."""
    singles, rest = items[::10], [item for number, item in enumerate(items) if number % 10]
    batches = list(_cut(rest))
    with ThreadPoolExecutor(4) as threads:
        one_by_one = threads.map(lambda item: _post(http, "/v1/tasks", item.body)["id"], singles)
        together = threads.map(
            lambda batch: _post(http, "/v1/tasks/batch", {"tasks": [item.body for item in batch]})["tasks"], batches
        )
        accepted = dict(zip(one_by_one, singles, strict=True))
        for batch, tasks in zip(batches, together, strict=True):
            accepted |= {task["id"]: item for task, item in zip(tasks, batch, strict=True)}
    return accepted


def _cut(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Batches of a hundred items, and of no more than fits into one body."""
    batch: list[Item] = []
    size = 0
    for item in items:
        weight = len(str(item.payload))
        if batch and (len(batch) >= 100 or size + weight > 900_000):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += weight
    yield batch


def _post(http: httpx.Client, path: str, body: Mapping[str, Any]) -> Any:
    answer = http.post(path, json=body)
    answer.raise_for_status()
    return answer.json()


def all_final(http: httpx.Client) -> bool:
    time.sleep(0.5)
    answer = http.get("/v1/queues")
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return False
    queues = answer.raise_for_status().json()["queues"]
    return not any(queue["scheduled"] + queue["pending"] + queue["running"] for queue in queues)


@contextmanager
def an_empty(database: str, folder: Path) -> Iterator[str]:
    """The address of a new, migrated database of this kind."""
    kinds: dict[str, AbstractContextManager[str]] = {
        "sqlite": sqlite_database(folder),
        "postgresql": postgres_database(),
        "mariadb": mysql_database(),
    }
    with kinds[database] as url:
        asyncio.run(migrate(url))
        yield url


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lease", default="5s")
    parser.add_argument("--databases", default=",".join(DATABASES))
    given = parser.parse_args()
    plan = Plan(tasks=given.tasks, seed=given.seed, lease=given.lease)
    print(HEAD, flush=True)
    broken: list[str] = []
    for database in given.databases.split(","):
        with tempfile.TemporaryDirectory(prefix="duly-under-fire-") as name, an_empty(database, Path(name)) as url:
            outcome = run(database, url, Path(name), plan)
        print(outcome.row, flush=True)
        broken += [f"{database}: {words}" for words in outcome.verdict.broken]
    print("".join(f"\n{words}" for words in broken[:50]), file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
