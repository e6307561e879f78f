"""A Celery fleet in processes of its own, beside an API process on the same database and broker."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from celery import Celery

from duly.brokers.celery.application import address_of, celery_application
from duly.stores.sql.migrate import migrate
from tests.support.databases import postgres_database
from tests.support.processes import eventually
from tests.support.service import Running
from tests.system.scene import PATIENCE, Scene, a_scene

MODULE = """
from app import duly

celery_app = duly.celery_app()
"""


@dataclass(frozen=True)
class Fleet:
    """Where Celery workers may be started."""

    scene: Scene
    broker_url: str

    @contextmanager
    def worker(self, *options: str, **env: str) -> Iterator["CeleryWorker"]:
        """``celery worker``, once it is ready; killed with its children at the end."""
        folder = self.scene.place.folder
        log = folder / f"celery-{len(list(folder.glob('celery-*')))}.log"
        command = ["-m", "celery", "-A", "fleet_app.celery_app", "worker", "--loglevel=info", "--without-mingle"]
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, *command, *options],
                cwd=folder,
                env={**self.scene.place.env, "PYTHONWARNINGS": "ignore", **env},
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

    @property
    def celery(self) -> Celery:
        """An application of an onlooker's: inspects and controls."""
        return celery_application(address_of(self.broker_url))


class CeleryWorker(Running):
    """A Celery worker that runs."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> list[int]:
        """The pool's."""
        return [child.pid for child in psutil.Process(self.pid).children() if child.status() != psutil.STATUS_ZOMBIE]

    def kill(self) -> None:
        """The whole worker, at once."""
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def a_fleet(folder: Path, broker_url: str) -> Iterator[Fleet]:
    """Nothing but the API runs at first."""
    (folder / "fleet_app.py").write_text(MODULE)
    with postgres_database() as database:
        asyncio.run(migrate(database))
        with a_scene(folder, database, DULY_BROKER_URL=broker_url) as scene:
            yield Fleet(scene, broker_url)
