"""Everything at once, in process: many submitters, a worker, until all is settled."""

from functools import partial

from benchmarks.harness.crews import Crew
from benchmarks.harness.figures import percentiles
from benchmarks.harness.places import postgresql
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.scenarios.drain import BOTH, SLOTS, WORKER

TASKS = 100_000
DULY = Crew(module="benchmarks.ours.together", place=postgresql, work=WORKER)
FLOOR = Crew(module="benchmarks.floors.together", place=postgresql)


def measured(crew: Crew, run: Run) -> Figures:
    """From the first submit to the last outcome stored; the worker is there before."""
    tasks = run.size(TASKS, 1_000)
    with crew.at(run.folder) as env:
        crew.say(env, "prepare")
        with crew.working(env, run.folder):
            seen = crew.say(env, "together", tasks)
    if seen["stored"] != tasks:
        raise RuntimeError(f"{seen['stored']} outcomes of {tasks}")
    rates = {"tasks/s": tasks / seen["seconds"], "submits/s": tasks / seen["submitting"]}
    return rates | percentiles(seen["took"], "submit ")


SCENARIO = Scenario(
    name="together",
    title="Everything at once, in process: 256 submitters, run, settle",
    question="100,000 single tasks from 256 coroutines of one process, run by one worker process; until all is stored.",
    contestants=(
        Contestant(
            name="duly",
            how=f"`await handler.submit()` and one `duly worker --slots {SLOTS}`, PostgreSQL, log off",
            keeps=BOTH,
            measure=partial(measured, DULY),
        ),
        Contestant(
            name="bare loop",
            how="inserts that gather while the last one is written, and one bare worker; one table, asyncpg",
            keeps=BOTH,
            measure=partial(measured, FLOOR),
        ),
    ),
    goals=(Goal(figure="tasks/s", of="duly", against="bare loop", least=0.6, stretch=0.75),),
    minutes=3,
)
