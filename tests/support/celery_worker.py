"""``celery worker`` in processes of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.processes import eventually
from tests.support.service import Place, Running

PATIENCE = 120.0


class CeleryWorker(Running):
    """A Celery worker that runs."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> list[int]:
        """The pool's."""
        return [child.pid for child in psutil.Process(self.pid).children() if child.status() != psutil.STATUS_ZOMBIE]

    def received(self, task: str) -> list[str]:
        """The Celery ids under which the task came."""
        return re.findall(rf"\[({task}-\w+)\] received", self.log.read_text())

    def kill(self) -> None:
        """The whole worker, at once, with children that outlived it."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def celery_command(app: str) -> tuple[str, ...]:
    """A worker of this application, started as people do: nothing but Celery finds the folder. Options follow."""
    return (str(Path(sys.executable).with_name("celery")), "-A", app, "worker", "--loglevel=info", "--without-mingle")


@contextmanager
def a_celery_worker(place: Place, app: str, *options: str, **env: str) -> Iterator[CeleryWorker]:
    """``celery worker``, once it is ready; killed with its children at the end."""
    log = place.folder / f"celery-{len(list(place.folder.glob('celery-*')))}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*celery_command(app), *options],
            cwd=place.folder,
            env={**place.env, "PYTHONWARNINGS": "ignore", **env},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    worker = CeleryWorker(process, log)
    try:
        eventually(lambda: worker.said(" ready.") and worker.said("worker.started"), PATIENCE)
        yield worker
    finally:
        worker.kill()
