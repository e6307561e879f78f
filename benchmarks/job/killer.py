"""Kills one worker process of a supervised group after the other, at random moments.

But for the first that is killed, a worker is left to work for as long as it took to start, so that the job can end on
a machine that does much besides.
"""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from threading import Event, Thread

import psutil

SETTLED = re.compile(r'"worker":"[^":]+:(\d+):[0-9a-f]+",.*"event":"task.settled"')


class Killer:
    """``kills`` counts what it killed."""

    def __init__(self, supervisor: int, log: Path, random: Random, pause: tuple[float, float]) -> None:
        self.kills = 0
        self._supervisor = psutil.Process(supervisor)
        self._log = log.open(errors="replace")
        self._random = random
        self._pause = pause
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._working: dict[int, tuple[float, float]] = {}
        """Of each worker when it was seen to have settled something, and how long that had taken it."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self._log.close()

    def _run(self) -> None:
        due = self._later()
        while not self._stop.wait(0.1):
            self._look()
            victims = self._victims()
            if victims and time.time() >= due:
                with suppress(ProcessLookupError):
                    os.kill(self._random.choice(victims), signal.SIGKILL)
                    self.kills += 1
                due = self._later()

    def _later(self) -> float:
        return time.time() + self._random.uniform(*self._pause)

    def _look(self) -> None:
        """Read what the log has more than last time."""
        for pid in {int(pid) for pid in SETTLED.findall(self._log.read())} - self._working.keys():
            with suppress(psutil.NoSuchProcess):
                now = time.time()
                self._working[pid] = (now, now - psutil.Process(pid).create_time())

    def _victims(self) -> list[int]:
        now, living = time.time(), {child.pid for child in self._supervisor.children()}
        working = ((pid, now - at >= took) for pid, (at, took) in self._working.items() if pid in living)
        return sorted(pid for pid, is_long in working if is_long or not self.kills)
