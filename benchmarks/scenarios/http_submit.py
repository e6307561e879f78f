"""Submit over HTTP: 64 connections, each answered after its task is committed."""

from functools import partial

from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.harness.services import Service
from benchmarks.scenarios.services import HOW, KEEPS, NAMED

SECONDS = 10
WARM = 2


def measured(service: Service, processes: int, run: Run) -> Figures:
    """Raises when fewer rows are stored than answers were given."""
    crew = service.crew
    with crew.at(run.folder) as env:
        crew.say(env, "prepare")
        with service.serving(env, run.folder, processes) as api:
            api.warm_up(service.path, service.body, run.size(WARM))
            before = crew.say(env, "stored")
            figures = dict(api.post(service.path, service.body, run.size(SECONDS, 2)))
            stored = crew.say(env, "stored") - before
    if stored < figures.pop("requests"):
        raise RuntimeError(f"only {stored} rows")
    return figures


def contestant(name: str, processes: int) -> Contestant:
    """One service with so many API processes."""
    service = NAMED[name]
    return Contestant(
        name=f"{name}, {processes} API",
        how=f"{HOW[name]}; {processes} API process{'es' * (processes > 1)}, no workers",
        keeps=KEEPS[name],
        measure=partial(measured, service, processes),
        venvs=(service.crew.venv,) if service.crew.venv else (),
    )


def goals(figure: str, stack: str, least: float, stretch: float | None = None) -> list[Goal]:
    """With one API process, and with two."""
    return [
        Goal(figure=figure, of=f"duly, {count} API", against=f"{stack}, {count} API", least=least, stretch=stretch)
        for count in (1, 2)
    ]


SCENARIO = Scenario(
    name="http-submit",
    title="HTTP submit, 64 connections, committed before answered",
    question="wrk, one thread, POST of one task, for 10 seconds after 2 of warming up. Nobody runs tasks meanwhile.",
    contestants=[contestant(name, count) for count in (1, 2) for name in NAMED],
    goals=[*goals("requests/s", "async stack", 5, 8), *goals("requests/s", "sync stack", 15)],
    needs=("postgresql", "rabbitmq", "redis"),
)
