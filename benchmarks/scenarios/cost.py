"""What one task costs: processor, write-ahead log, commits, dead rows; and what idle workers ask."""

import time

import httpx
import psycopg
import uvloop
from benchmarks.harness.load import burst, post
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.harness.processes import cpu_seconds, cpu_seconds_of_backends
from benchmarks.harness.services import CONNECTIONS
from benchmarks.scenarios.services import DULY
from sqlalchemy.engine import make_url

TASKS = 20_000
IDLE = 20
STARTING = 4
"""Seconds until workers that find nothing to do have started."""

STATISTICS = 11
"""Seconds until PostgreSQL's counters are up to date: an idle connection tells its last ones after 10."""

WORKERS = 2
NAMES = ("Python CPU µs", "PostgreSQL CPU µs", "WAL bytes", "commits", "dead rows")
QUERIES = "idle queries/s per worker"
COUNTERS = """
SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
       (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
       (SELECT n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'duly_tasks')
"""


def measured(run: Run) -> Figures:
    """Submits without workers; then workers, who wait before a paused queue, are let go; then nothing happens."""
    tasks = run.size(TASKS, 500)
    crew = DULY.crew
    with crew.at(run.folder) as env:
        crew.say(env, "prepare")
        with DULY.serving(env, run.folder, 1) as api, httpx.Client(base_url=api.url, timeout=60) as http:
            request = post(api.url, DULY.path, DULY.body)
            uvloop.run(burst(api.url, request, 500, CONNECTIONS))
            submitting = _cost(env["BENCH_URL"], "submit", api.process, tasks)
            with submitting:
                uvloop.run(burst(api.url, request, tasks, CONNECTIONS))
            http.post("/v1/queues/default/pause").raise_for_status()
            with crew.working(env, run.folder) as (workers,):
                time.sleep(STARTING)
                running = _cost(env["BENCH_URL"], "run", workers, tasks + 500)
                with running:
                    http.post("/v1/queues/default/resume").raise_for_status()
                    crew.say(env, "watch", tasks + 500, 1)
        with crew.working(env, run.folder):
            time.sleep(STARTING)
            idle = _idle(env["BENCH_URL"], run.size(IDLE, 5))
    return submitting.figures | running.figures | {QUERIES: idle / WORKERS}


class _cost:  # noqa: N801  # reads as a function
    """What is used inside the block, for each task."""

    def __init__(self, url: str, name: str, process: object, tasks: int) -> None:
        self.figures: dict[str, float] = {}
        self._url, self._name, self._process, self._tasks = url, name, process, tasks

    def __enter__(self) -> None:
        counters = _counters(self._url)  # takes a while, in which the processes may do something
        self._before = (*self._used(), *counters)

    def __exit__(self, *about: object) -> None:
        after = (*self._used(), *_counters(self._url))
        each = [(now - then) / self._tasks for now, then in zip(after, self._before, strict=True)]
        self.figures = {
            f"{self._name}: {name}": value * (1e6 if name.endswith("µs") else 1)
            for name, value in zip(NAMES, each, strict=True)
        }

    def _used(self) -> tuple[float, float]:
        database = make_url(self._url).database
        return cpu_seconds(self._process), cpu_seconds_of_backends(database)


def _counters(url: str) -> tuple[float, ...]:
    time.sleep(STATISTICS)
    with psycopg.connect(url, autocommit=True) as connection:
        return tuple(float(value or 0) for value in connection.execute(COUNTERS).fetchone())


def _idle(url: str, seconds: int) -> float:
    """Transactions a second while nobody wants anything."""
    before = _counters(url)[1]
    time.sleep(seconds)
    return (_counters(url)[1] - before - 1) / (seconds + STATISTICS)


SCENARIO = Scenario(
    name="cost",
    title="Cost of a task",
    question="20,000 tasks by HTTP, without workers; then run by two worker processes; then idleness. Each per task.",
    contestants=(
        Contestant(
            name="duly",
            how="1 API process with 64 connections, `duly worker --processes 2 --slots 500`, PostgreSQL, log off",
            keeps="status and result, fsync at every commit",
            measure=measured,
        ),
    ),
    goals=[
        *(Goal(figure=f"{part}: {name}", of="duly") for part in ("submit", "run") for name in NAMES),
        Goal(figure=QUERIES, of="duly"),
    ],
    rounds=2,
    minutes=5,
)
