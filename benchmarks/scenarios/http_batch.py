"""Batches over HTTP, beside the bare insert of as many rows."""

from functools import partial

from benchmarks.harness.crews import Crew
from benchmarks.harness.places import postgresql
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.scenarios.services import DULY, PAYLOAD

SIZE = 500
SECONDS = 10
WIDTH = 4
FLOOR = Crew(module="benchmarks.floors.postgresql", place=postgresql)


def by_http(processes: int, run: Run) -> Figures:
    """``/v1/tasks/batch``, a few connections at once."""
    crew = DULY.crew
    batch = {"tasks": [{"type": "bench.noop", "payload": PAYLOAD}] * SIZE}
    with crew.at(run.folder) as env:
        crew.say(env, "prepare")
        with DULY.serving(env, run.folder, processes) as api:
            api.warm_up(DULY.batch_path, batch, 2, WIDTH)
            before = crew.say(env, "stored")
            figures = dict(api.post(DULY.batch_path, batch, run.size(SECONDS, 2), WIDTH))
            stored = crew.say(env, "stored") - before
    requests = figures.pop("requests")
    if stored < requests * SIZE:
        raise RuntimeError(f"only {stored} rows")
    return {
        "tasks/s": figures["requests/s"] * SIZE,
        "p50 ms": figures["p50 ms"],
        "p99 ms": figures["p99 ms"],
        "API CPU µs/task": figures["API CPU µs/request"] / SIZE,
    }


def bare(run: Run) -> Figures:
    """``INSERT … SELECT FROM unnest`` of 500 rows a commit, on two connections."""
    with FLOOR.at(run.folder) as env:
        FLOOR.say(env, "prepare")
        seen = FLOOR.say(env, "insert", run.size(SECONDS, 2), 2)
    return {"tasks/s": seen["rows"] / seen["seconds"]}


SCENARIO = Scenario(
    name="http-batch",
    title="`POST /v1/tasks/batch` of 500",
    question="wrk, 4 connections, batches of 500 for 10 seconds after 3 of warming up. Nobody runs tasks meanwhile.",
    contestants=[
        *(
            Contestant(
                name=f"duly, {count} API",
                how=f"`duly api --processes {count}`, PostgreSQL, no broker, log off",
                keeps="the tasks, fsync before the answer",
                measure=partial(by_http, count),
            )
            for count in (1, 2)
        ),
        Contestant(
            name="bare insert",
            how="one table, `INSERT … SELECT FROM unnest`, 500 rows a commit, asyncpg, 2 connections, no HTTP",
            keeps="the rows, fsync at every commit",
            measure=bare,
        ),
    ],
    goals=[
        Goal(figure="tasks/s", of="duly, 1 API", least=15_000, stretch=25_000),
        Goal(figure="tasks/s", of="duly, 2 API", least=15_000, stretch=25_000),
        Goal(figure="tasks/s", of="duly, 2 API", against="bare insert", least=0.5),
    ],
    minutes=4,
)
