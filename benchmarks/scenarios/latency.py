"""An idle system: one task at a time, with random pauses between."""

import asyncio
import json
import random
import time
from functools import partial

import uvloop
from benchmarks.harness import tally
from benchmarks.harness.crews import Crew
from benchmarks.harness.figures import percentiles
from benchmarks.harness.load import connections, post
from benchmarks.harness.places import both, postgresql, rabbitmq, redis
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.scenarios.services import DULY

TASKS = 300
WARM = 20

IN_PROCESS = Crew(module="benchmarks.ours.tasks", place=postgresql, work=("duly", "worker", "benchmarks.ours.app:duly"))
DRAMATIQ = Crew(module="benchmarks.peers.dramatiq", place=both(redis, rabbitmq), venv="dramatiq")
HUEY = Crew(module="benchmarks.peers.huey", place=redis, venv="huey", env={"BENCH_NOTIFY": "1"})


def by_command(crew: Crew, run: Run) -> Figures:
    """The crew's own client submits and waits."""
    with crew.at(run.folder) as env:
        crew.say(env, "prepare")
        with crew.working(env, run.folder):
            took = crew.say(env, "latency", run.size(TASKS, 20), WARM)
    return _figures(took)


def by_http(run: Run) -> Figures:
    """Submitted with ``Prefer: wait``, whose answer is the finished task."""
    crew = DULY.crew
    with crew.at(run.folder) as env:
        crew.say(env, "prepare")
        with DULY.serving(env, run.folder, 1) as api, crew.working(env, run.folder):
            took = uvloop.run(_one_by_one(api.url, run.size(TASKS, 20)))
    return _figures(took)


async def _one_by_one(url: str, tasks: int) -> list[tuple[float, float]]:
    request = post(url, DULY.path, {"type": "bench.start", "payload": {}}, "prefer: wait=30")
    took = []
    async with connections(url, 1) as (connection,):
        for _ in range(WARM + tasks):
            await asyncio.sleep(random.uniform(*tally.PAUSES))
            begun = time.time()
            _, answer = await connection.ask(request)
            seen = time.time() - begun
            took.append((json.loads(answer)["result"] - begun, seen))
    return took[WARM:]


def _figures(took: list[tuple[float, float]]) -> Figures:
    return percentiles([start for start, _ in took], "start ") | percentiles([seen for _, seen in took], "result ")


def _goals(of: str) -> list[Goal]:
    bounds = {
        "start p50 ms": (4, 2.5),
        "result p50 ms": (7, 5),
        "start p99 ms": (15, None),
        "result p99 ms": (25, None),
    }
    return [Goal(figure=figure, of=of, most=most, stretch=stretch) for figure, (most, stretch) in bounds.items()]


SCENARIO = Scenario(
    name="latency",
    title="Idle system: submit to the handler's start, and to the result in a waiting reader's hands",
    question="300 tasks, one at a time, with random pauses of 20 to 120 ms; client, workers and servers by one clock.",
    contestants=[
        Contestant(
            name="duly over HTTP",
            how="`POST` with `Prefer: wait` to `duly api`, `duly worker --processes 2`, PostgreSQL, no broker",
            keeps="status and result, fsync at every commit",
            measure=by_http,
        ),
        Contestant(
            name="duly in process",
            how="`await handler.submit()`, then `handle.result()`; one `duly worker`, PostgreSQL, no broker",
            keeps="status and result, fsync at every commit",
            measure=partial(by_command, IN_PROCESS),
        ),
        Contestant(
            name="dramatiq",
            how="RabbitMQ with confirms, results in Redis, 2 processes of 8 threads; `get_result(block=True)`",
            keeps="persistent messages; results in a Redis that keeps nothing",
            measure=partial(by_command, DRAMATIQ),
            venvs=("dramatiq",),
        ),
        Contestant(
            name="huey",
            how="Redis, `blocking=True`, `notify_result=True`, 4 threads; `task()`, then `get(blocking=True)`",
            keeps="nothing: tasks and results in a Redis without AOF",
            measure=partial(by_command, HUEY),
            venvs=("huey",),
        ),
    ],
    goals=_goals("duly over HTTP"),
    needs=("postgresql", "rabbitmq", "redis"),
    minutes=8,
)
