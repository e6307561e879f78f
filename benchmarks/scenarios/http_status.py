"""Status reads over HTTP: 64 connections, finished tasks by id."""

from functools import partial

from benchmarks.harness.plan import Contestant, Figures, Run, Scenario
from benchmarks.harness.services import Service
from benchmarks.scenarios.http_submit import goals
from benchmarks.scenarios.services import HOW, KEEPS, NAMED

SECONDS = 8
TASKS = 500


def measured(service: Service, processes: int, run: Run) -> Figures:
    """Tasks are stored and run; then they are read."""
    crew, tasks = service.crew, run.size(TASKS, 100)
    with crew.at(run.folder) as env:
        crew.say(env, "fill", tasks)
        with crew.working(env, run.folder):
            crew.say(env, "watch", tasks, crew.processes)
        ids = run.folder / "ids"
        crew.say(env, "ids", ids)
        with service.serving(env, run.folder, processes) as api:
            api.get(f"{service.path}/", ids, max(1, run.size(2)))
            figures = dict(api.get(f"{service.path}/", ids, run.size(SECONDS, 2)))
    figures.pop("requests")
    return figures


def _contestant(name: str, processes: int) -> Contestant:
    service = NAMED[name]
    return Contestant(
        name=f"{name}, {processes} API",
        how=f"{HOW[name]}; {processes} API process{'es' * (processes > 1)}, no cache",
        keeps=KEEPS[name],
        measure=partial(measured, service, processes),
        venvs=(service.crew.venv,) if service.crew.venv else (),
    )


SCENARIO = Scenario(
    name="http-status",
    title="Status read over HTTP, 64 connections",
    question="wrk, one thread, GET of 500 finished tasks by id in turns, for 8 seconds after 2 of warming up.",
    contestants=[_contestant(name, count) for count in (1, 2) for name in NAMED],
    goals=goals("requests/s", "async stack", 3, 5),
    needs=("postgresql", "rabbitmq", "redis"),
    minutes=6,
)
