"""Does it slow down when the table is full: a million finished and a million waiting rows."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx
from benchmarks.harness.crews import Crew
from benchmarks.harness.figures import percentiles
from benchmarks.harness.places import Env, postgresql
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.harness.processes import heard
from benchmarks.scenarios.drain import BOTH, SLOTS, WORKER
from benchmarks.scenarios.services import DULY as SERVICE

TASKS = 100_000
ROWS = 1_000_000
READS = 300
CREW = Crew(module="benchmarks.ours.crowd", place=postgresql, work=(*WORKER, "--processes", "2"))
PAGES = {
    "list": "/v1/tasks?limit=50",
    "list of finished": "/v1/tasks?state=completed&limit=50",
    "stats": "/v1/stats",
    "queues": "/v1/queues",
}


def measured(finished: int, waiting: float, run: Run) -> Figures:
    """The pace of handlers while there is more to do, then the pages that people look at."""
    tasks = run.size(TASKS, 1_000)
    more = run.size(waiting) if waiting else 2 * tasks
    with CREW.at(run.folder) as env:
        rate = paced(CREW, env, run.folder, tasks=tasks, finished=run.size(finished, 0), waiting=more)
        with SERVICE.serving(env, run.folder, 1) as api:
            pages = _looked_at(api.url, run.size(READS, 20))
    return {"tasks/s": rate, **pages}


def paced(crew: Crew, env: Env, folder: Path, *, tasks: int, finished: int, waiting: int) -> float:
    """Handler calls a second beside so many rows. Raises unless those that count have their outcomes stored."""
    crew.say(env, "crowd", finished, waiting)
    with crew.watching(env, "pace", tasks, crew.processes) as pace, crew.working(env, folder) as workers:
        seen = heard(pace, workers)
    stored = crew.say(env, "outcomes") - finished
    if stored < seen["tasks"]:
        raise RuntimeError(f"{stored} outcomes of {seen['tasks']} tasks")
    return seen["tasks"] / seen["seconds"]


def _looked_at(url: str, reads: int) -> Figures:
    """Each page so often, one after the other; p99 in milliseconds."""
    figures: dict[str, float] = {}
    with httpx.Client(base_url=url, timeout=60) as http:
        for name, path in PAGES.items():
            took = [_read(http, path) for _ in range(reads)]
            figures[f"{name} p99 ms"] = percentiles(took)["p99 ms"]
    return figures


def _read(http: httpx.Client, path: str) -> float:
    begun = time.perf_counter()
    http.get(path).raise_for_status()
    return time.perf_counter() - begun


def _goals() -> Sequence[Goal]:
    full = "1,000,000 finished and 1,000,000 waiting"
    pages = [Goal(figure=f"{name} p99 ms", of=full, most=50) for name in PAGES]
    return [Goal(figure="tasks/s", of=full, against="empty", least=0.75, stretch=0.9), *pages]


HOW = f"`duly worker --processes 2 --slots {SLOTS}`, PostgreSQL, log off; tables analysed after filling"
SCENARIO = Scenario(
    name="crowded",
    title="With 1,000,000 finished and 1,000,000 waiting rows",
    question="Pace of 100,000 handler calls while more waits; then lists, stats and queues by HTTP, 300 times each.",
    contestants=(
        Contestant(name="empty", how=HOW, keeps=BOTH, measure=partial(measured, 0, 0)),
        Contestant(
            name="1,000,000 finished and 1,000,000 waiting", how=HOW, keeps=BOTH, measure=partial(measured, ROWS, ROWS)
        ),
    ),
    goals=_goals(),
    rounds=2,
    minutes=7,
)
