"""How it grows: the rate of a drain against one thing at a time. ``python -m benchmarks.plots`` draws it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from benchmarks.harness.crews import Crew, drain
from benchmarks.harness.places import postgresql
from benchmarks.harness.plan import Contestant, Figures, Run, Scenario
from benchmarks.harness.processes import heard
from benchmarks.scenarios.crowded import paced
from benchmarks.scenarios.drain import BOTH, WORKER

TASKS = 50_000
APP = WORKER[:3]
CREW = Crew(module="benchmarks.ours.tasks", place=postgresql)
CROWD = Crew(module="benchmarks.ours.crowd", place=postgresql)
SLOTS = (1, 5, 20, 100, 200, 500, 1_000)
PROCESSES = (1, 2, 3, 4)
ROWS = (1_000, 10_000, 100_000, 1_000_000)
PAYLOADS = (200, 1_000, 10_000, 100_000)
BATCHES = (1, 10, 50, 100, 250, 500)
SECONDS = 5


def by_slots() -> Iterator[Contestant]:
    """Slots bound how many tasks one claim takes, and how many one settle writes."""
    for slots in SLOTS:
        yield drain(f"slots {slots}", _crew(slots=slots), _fewer(slots), f"one worker, `--slots {slots}`", BOTH)


def by_processes() -> Iterator[Contestant]:
    """Worker processes of 200 slots each."""
    for count in PROCESSES:
        yield Contestant(
            name=f"processes {count}",
            how=f"`--processes {count} --slots 200`; the queue is paused until all are there",
            keeps=BOTH,
            measure=partial(_begun_together, _crew(processes=count)),
        )


def by_payload() -> Iterator[Contestant]:
    """Bytes of payload; its result stays small."""
    for size in PAYLOADS:
        crew = replace(_crew(), env={"BENCH_PAYLOAD": str(size)})
        tasks = min(TASKS, 200_000_000 // size // 10)
        yield drain(f"payload {size}", crew, tasks, f"one worker, 200 slots, payloads of {size} bytes", BOTH)


def by_rows() -> Iterator[Contestant]:
    """Rows that lie there already, finished or waiting."""
    for kind in ("finished", "waiting"):
        for count in ROWS:
            yield Contestant(
                name=f"{kind} {count}",
                how=f"one worker, 200 slots, {count:,} rows {kind}; tables analysed after filling",
                keeps=BOTH,
                measure=partial(_crowded, {kind: count}),
            )


def by_batch() -> Iterator[Contestant]:
    """Tasks in one call of ``submit_many``, four callers at once."""
    for size in BATCHES:
        yield Contestant(
            name=f"batch {size}",
            how=f"`submit_many` of {size} in one process, 4 callers; nobody runs them",
            keeps="the tasks, fsync before the answer",
            measure=partial(_submitted, size),
        )


def _begun_together(crew: Crew, run: Run) -> Figures:
    """A drain that none begins before the others: four processes start for longer than one needs for half of it."""
    tasks = run.size(TASKS, 2_000)
    with crew.at(run.folder) as env:
        crew.say(env, "fill", tasks)
        crew.say(env, "pause")
        with crew.watching(env, "watch", tasks, crew.processes) as watch, crew.working(env, run.folder) as workers:
            crew.say(env, "resume", crew.processes)
            seen = heard(watch, workers)
    if seen["stored"] != tasks:
        raise RuntimeError(f"{seen['stored']} outcomes of {tasks}")
    return {"tasks/s": seen["tasks"] / seen["seconds"]}


def _crew(*, slots: int = 200, processes: int = 1) -> Crew:
    work = (*APP, "--slots", str(slots), "--processes", str(processes))
    return replace(CREW, work=work, processes=processes)


def _fewer(slots: int) -> int:
    """A worker of one slot is slow."""
    return min(TASKS, 2_000 * slots)


def _crowded(rows: Mapping[str, int], run: Run) -> Figures:
    """The pace while there is more to do."""
    tasks = run.size(20_000, 500)
    waiting = max(2 * tasks, run.size(rows.get("waiting", 0)))
    crew = replace(CROWD, work=_crew().work, processes=1)
    with crew.at(run.folder) as env:
        finished = run.size(rows.get("finished", 0), 0)
        return {"tasks/s": paced(crew, env, run.folder, tasks=tasks, finished=finished, waiting=waiting)}


def _submitted(size: int, run: Run) -> Figures:
    with CREW.at(run.folder) as env:
        CREW.say(env, "prepare")
        seen = CREW.say(env, "submit", run.size(SECONDS, 1), size)
    return {"tasks/s": seen["tasks"] / seen["seconds"]}


SCENARIO = Scenario(
    name="growth",
    title="How it grows",
    question="The rate of a drain (of submits, for batches) against one thing at a time.",
    contestants=(*by_batch(), *by_slots(), *by_processes(), *by_rows(), *by_payload()),
    rounds=1,
    minutes=9,
)
