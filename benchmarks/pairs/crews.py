"""Those who run a pair's tasks: Duly's own workers, or a Celery fleet; and the death of one of them by -9."""

import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import psutil
from benchmarks.pairs.service import workers

from tests.support.celery_worker import CeleryWorker, a_celery_worker
from tests.support.service import Place, Running

ROOT = Path(__file__).parents[2]
FLEET = "benchmarks.pairs.fleet_app.celery_app"
POOL = ("-P", "prefork", "-c", "3")


class Crew(Protocol):
    """Who runs the tasks."""

    looks: bool
    """Whether it finds tasks by itself while the broker is away."""

    @property
    def logs(self) -> Sequence[Path]:
        """Of all its processes, the dead too."""
        ...

    def taking_nothing(self) -> AbstractContextManager[None]:
        """Meanwhile the messages of paused queues stay in the broker."""
        ...

    def kill_one(self, at_hand: "Counter[int]") -> bool:
        """Kill by -9 who has most at hand, by process. False: nobody of theirs has anything at hand."""
        ...


class DulyWorkers:
    """``duly worker``, whose processes are replaced when they die."""

    looks = True

    def __init__(self, supervisor: Running) -> None:
        self.logs: Sequence[Path] = (supervisor.log,)
        self._supervisor = supervisor.process.pid
        self._marked: set[int] = set()

    def taking_nothing(self) -> AbstractContextManager[None]:
        """They leave paused queues alone."""
        return nullcontext()

    def kill_one(self, at_hand: "Counter[int]") -> bool:
        """A worker process that was not killed before."""
        children = {child.pid for child in psutil.Process(self._supervisor).children()} - self._marked
        return _killed(at_hand, children, self._marked)


class CeleryFleet:
    """Two Celery workers. A child dies first, then a whole worker, in turns; the pool or this crew replaces it."""

    looks = False

    def __init__(self, place: Place, stack: ExitStack) -> None:
        self._place = place
        self._stack = stack
        self._logs: list[Path] = []
        self._workers = [self._enlisted() for _ in range(2)]
        self._marked: set[int] = set()
        self._whole = False

    @property
    def logs(self) -> Sequence[Path]:
        """See Crew."""
        return self._logs

    @contextmanager
    def taking_nothing(self) -> Iterator[None]:
        """Celery knows of no pause and would take them for nothing: the workers, not their children, stand still."""
        for worker in self._workers:
            worker.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for worker in self._workers:
                worker.process.send_signal(signal.SIGCONT)

    def kill_one(self, at_hand: "Counter[int]") -> bool:
        """A child, or a worker with all that its children have at hand."""
        done = self._kill_a_worker(at_hand) if self._whole else self._kill_a_child(at_hand)
        self._whole ^= done
        return done

    def _kill_a_child(self, at_hand: "Counter[int]") -> bool:
        children = {child for worker in self._workers for child in worker.children()} - self._marked
        return _killed(at_hand, children, self._marked)

    def _kill_a_worker(self, at_hand: "Counter[int]") -> bool:
        worker = max(self._workers, key=partial(_load, at_hand))
        if not _load(at_hand, worker):
            return False
        os.kill(worker.pid, signal.SIGKILL)
        self._workers.remove(worker)
        self._workers.append(self._enlisted())
        return True

    def _enlisted(self) -> CeleryWorker:
        name = ("-n", f"fire-{len(self._logs)}@%h")
        worker = self._stack.enter_context(a_celery_worker(self._place, FLEET, *POOL, *name, PYTHONPATH=str(ROOT)))
        self._logs.append(worker.log)
        return worker


@contextmanager
def a_crew(kind: str, place: Place, *arguments: str) -> Iterator[Crew]:
    """At work on this kind of broker; the arguments are those of ``duly worker``, where that runs the tasks."""
    with ExitStack() as stack:
        if kind == "celery":
            yield CeleryFleet(place, stack)
        else:
            yield DulyWorkers(stack.enter_context(workers(place, *arguments)))


def _load(at_hand: "Counter[int]", worker: CeleryWorker) -> int:
    return sum(at_hand[child] for child in worker.children())


def _killed(at_hand: "Counter[int]", among: "set[int]", marked: "set[int]") -> bool:
    """Whether one of these had something at hand and was killed; it is marked, for its handlers stay begun."""
    for pid, _ in at_hand.most_common():
        if pid in among:
            marked.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
    return False
