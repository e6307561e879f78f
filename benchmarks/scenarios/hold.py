"""Handlers that wait: 50,000 of 100 ms each, 500 at the same time."""

import threading
from functools import partial
from typing import Any, Self

from benchmarks.harness.crews import Crew
from benchmarks.harness.places import postgresql
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.harness.processes import heard, megabytes
from benchmarks.scenarios.drain import BOTH

TASKS = 50_000
SLOTS = 500
SECONDS = 0.1
IDEAL = SLOTS / SECONDS
MEMORY = "peak memory of the worker MiB"

DULY = Crew(
    module="benchmarks.ours.tasks",
    place=postgresql,
    work=("duly", "worker", "benchmarks.ours.app:duly", "--slots", str(SLOTS)),
    processes=1,
)
PGQUEUER = Crew(
    module="benchmarks.peers.pgqueuer",
    place=postgresql,
    venv="pgqueuer",
    processes=1,
    env={"BENCH_BATCH": "250", "BENCH_SLOTS": str(SLOTS)},
)


def measured(crew: Crew, handler: str, run: Run) -> Figures:
    """As a drain; beside it the workers' memory is looked at."""
    tasks = run.size(TASKS, 2_000)
    with crew.at(run.folder) as env:
        crew.say(env, "fill", tasks, handler)
        watching = crew.watching(env, "watch", tasks, crew.processes)
        with watching as watch, crew.working(env, run.folder) as workers, Memory(workers) as memory:
            seen = heard(watch, workers)
    if seen["stored"] != tasks:
        raise RuntimeError(f"{seen['stored']} outcomes of {tasks}")
    rate = seen["tasks"] / seen["seconds"]
    return {"tasks/s": rate, "% of ideal": 100 * rate / IDEAL, MEMORY: memory.peak}


class Memory:
    """The most that these processes had at one time, looked at twice a second."""

    def __init__(self, workers: list[Any]) -> None:
        self.peak = 0.0
        self._workers = workers
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            self.peak = max(self.peak, sum(megabytes(worker) for worker in self._workers))


SCENARIO = Scenario(
    name="hold",
    title="50,000 handlers of 100 ms each, 500 at the same time",
    question="All are stored first; one worker process. The ideal is 5,000 a second.",
    contestants=(
        Contestant(
            name="duly",
            how=f"one `duly worker --slots {SLOTS}`, PostgreSQL, log off",
            keeps=BOTH,
            measure=partial(measured, DULY, "bench.hold"),
        ),
        Contestant(
            name="pgqueuer",
            how=f"one process, `max_concurrent_tasks={SLOTS}`, `batch_size=250` (at most half of it), uvloop",
            keeps="status, no result; fsync at every commit",
            measure=partial(measured, PGQUEUER, "hold"),
            venvs=("pgqueuer",),
        ),
    ),
    goals=(Goal(figure="% of ideal", of="duly", least=90, stretch=97), Goal(figure=MEMORY, of="duly")),
    minutes=3,
)
