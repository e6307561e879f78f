"""A burst over HTTP, end to end: from the first submit to the last result stored, with workers at work."""

import time
from functools import partial

import uvloop
from benchmarks.harness.figures import percentiles
from benchmarks.harness.load import burst, post
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.harness.processes import heard
from benchmarks.harness.services import CONNECTIONS, Api, Service
from benchmarks.scenarios.services import HOW, KEEPS, NAMED

TASKS = 10_000
FEWER = {"sync stack": 3_000}
WARM = 100
PROCESSES = 1


def measured(service: Service, full: int, run: Run) -> Figures:
    """A small burst first, so that all are awake; then the one that counts."""
    crew, tasks = service.crew, run.size(full, 500)
    with crew.at(run.folder) as env:
        crew.say(env, "prepare")
        with service.serving(env, run.folder, PROCESSES) as api, crew.working(env, run.folder):
            sent(api, service, WARM)
            crew.say(env, "watch", WARM, 1)
            with crew.watching(env, "watch", WARM + tasks, 1) as watch:
                begun = time.monotonic()
                took = sent(api, service, tasks)
                submitted = time.monotonic() - begun
                seen = heard(watch)
    if seen["stored"] != WARM + tasks:
        raise RuntimeError(f"{seen['stored']} outcomes of {WARM + tasks}")
    rates = {"tasks/s end to end": tasks / (seen["ended"] - begun), "submits/s": tasks / submitted}
    return rates | percentiles(took, "submit ")


def sent(api: Api, service: Service, count: int) -> list[float]:
    """Exactly so many, by as many connections as everywhere."""
    request = post(api.url, service.path, service.body)
    return uvloop.run(burst(api.url, request, count, CONNECTIONS))


def _contestant(name: str) -> Contestant:
    service, tasks = NAMED[name], FEWER.get(name, TASKS)
    fewer = f"; {tasks:,} tasks" if name in FEWER else ""
    return Contestant(
        name=name,
        how=f"{HOW[name]}; 1 API process; {service.crew.processes} worker processes{fewer}",
        keeps=KEEPS[name] + "; status and result, fsync",
        measure=partial(measured, service, tasks),
        venvs=(service.crew.venv,) if service.crew.venv else (),
    )


SCENARIO = Scenario(
    name="http-burst",
    title="Burst of 10,000 by HTTP, end to end",
    question="64 connections submit 10,000 single tasks while workers run them; until the last result is stored.",
    contestants=[_contestant(name) for name in NAMED],
    goals=[Goal(figure="tasks/s end to end", of="duly", against="async stack", least=5, stretch=8)],
    needs=("postgresql", "rabbitmq", "redis"),
    minutes=5,
)
