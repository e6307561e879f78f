"""Submit over HTTP: 64 connections, each answered after its task is committed."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from time import monotonic

from benchmarks.harness import tally
from benchmarks.harness.places import Env
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.harness.services import Api, Service
from benchmarks.scenarios.services import ALONE, HOW, KEEPS, NAMED

from tests.support.processes import eventually

SECONDS = 8
WARM = 3


def measured(service: Service, processes: int, live: bool, run: Run) -> Figures:
    """Raises when fewer rows are stored than answers were given."""
    crew = service.crew
    with crew.at(run.folder) as env:
        crew.say(env, "prepare")
        working = crew.working(env, run.folder) if live else nullcontext()
        with service.serving(env, run.folder, processes) as api, working:
            eventually(lambda: _warm(service, api, env, crew.processes if live else 0), 120)
            before = crew.say(env, "stored")
            called, begun = _called(env), monotonic()
            figures = dict(api.post(service.path, service.body, run.size(SECONDS, 2)))
            called, seconds = _called(env) - called, monotonic() - begun
            stored = crew.say(env, "stored") - before
    if stored < figures.pop("requests"):
        raise RuntimeError(f"only {stored} rows")
    return figures | ({"run meanwhile/s": called / seconds} if live else {})


def _warm(service: Service, api: Api, env: Env, processes: int) -> bool:
    """Whether so many processes have called a handler, after some seconds of load."""
    api.warm_up(service.path, service.body, WARM)
    return len(list(filter(None, tally.counts(env[tally.FOLDER])))) >= processes


def _called(env: Env) -> int:
    return sum(tally.counts(env[tally.FOLDER]))


def contestants(live: bool) -> Sequence[Contestant]:
    """Everybody, with one API process and with two."""
    return [_contestant(name, count, live) for count in (1, 2) for name in NAMED]


def _contestant(name: str, processes: int, live: bool) -> Contestant:
    service = (NAMED | {"duly": ALONE} if live else NAMED)[name]
    workers = f"{service.crew.processes} worker process{'es' * (service.crew.processes > 1)}" if live else "no workers"
    return Contestant(
        name=f"{name}, {processes} API",
        how=f"{HOW[name]}; {processes} API process{'es' * (processes > 1)}, {workers}",
        keeps=KEEPS[name],
        measure=partial(measured, service, processes, live),
        venvs=(service.crew.venv,) if service.crew.venv else (),
    )


def goals(figure: str, stack: str, least: float, stretch: float | None = None) -> list[Goal]:
    """With one API process, and with two."""
    return [
        Goal(figure=figure, of=f"duly, {count} API", against=f"{stack}, {count} API", least=least, stretch=stretch)
        for count in (1, 2)
    ]


GOALS = [*goals("requests/s", "async stack", 5, 8), *goals("requests/s", "sync stack", 15)]
SERVERS = ("postgresql", "rabbitmq", "redis")
LOAD = f"wrk, one thread, POST of one task, for {SECONDS} seconds after {WARM} of warming up."

SCENARIO = Scenario(
    name="http-submit",
    title="HTTP submit, 64 connections, committed before answered",
    question=f"{LOAD} Nobody runs tasks meanwhile.",
    contestants=contestants(live=False),
    goals=GOALS,
    needs=SERVERS,
    minutes=6,
)
LIVE = Scenario(
    name="http-submit-live",
    title="HTTP submit, 64 connections, while workers run what is submitted",
    question=f"{LOAD} Everybody's workers are at work on the same two cores.",
    contestants=contestants(live=True),
    goals=GOALS,
    needs=SERVERS,
    rounds=2,
    minutes=6,
)
