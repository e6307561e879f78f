"""A Celery fleet in processes of its own, beside an API process on the same database and broker."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from celery import Celery

from duly.brokers.celery.application import address_of, celery_application, queue_of
from duly.stores.sql.migrate import migrate
from tests.support.celery_worker import CeleryWorker, a_celery_worker, celery_command
from tests.support.databases import postgres_database
from tests.support.processes import running
from tests.support.servers import free_port
from tests.system.scene import Scene, a_scene

MODULE = """
from app import duly

celery_app = duly.celery_app()
"""


APP = "fleet_app.celery_app"


@dataclass(frozen=True)
class Active:
    """A Celery task that a worker has."""

    worker: str
    celery_id: str


@dataclass(frozen=True)
class Flower:
    """Flower's own HTTP API."""

    url: str

    def sees_workers(self) -> bool:
        try:
            return bool(httpx.get(f"{self.url}/api/workers", params={"status": "true"}, timeout=10).json())
        except httpx.HTTPError:
            return False

    def state(self, celery_id: str) -> str | None:
        told = httpx.get(f"{self.url}/api/task/info/{celery_id}", timeout=10)
        return told.json()["state"] if told.status_code == 200 else None


@dataclass(frozen=True)
class Fleet:
    """Where Celery workers may be started."""

    scene: Scene
    broker_url: str

    def worker(self, *options: str, **env: str) -> AbstractContextManager[CeleryWorker]:
        """``celery worker``, once it is ready; killed with its children at the end."""
        return a_celery_worker(self.scene.place, APP, *options, **env)

    def run(self, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
        """A worker that ends by itself."""
        return subprocess.run(
            [*celery_command(APP), *options],
            cwd=self.scene.place.folder,
            env={**self.scene.place.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    @contextmanager
    def flower(self) -> Iterator["Flower"]:
        """Flower, beside the workers."""
        port = free_port()
        command = ["-m", "celery", "-A", APP, "flower", f"--port={port}", "--address=127.0.0.1"]
        env = {**self.scene.place.env, "FLOWER_UNAUTHENTICATED_API": "true"}
        with running(*command, cwd=self.scene.place.folder, env=env):
            yield Flower(f"http://127.0.0.1:{port}")

    def active(self, task: str) -> "Active | None":
        """What ``celery inspect active`` says of this task."""
        return self._seen("active", task)

    def reserved(self, task: str) -> "Active | None":
        """What ``celery inspect reserved`` says of this task: taken ahead, not begun."""
        return self._seen("reserved", task)

    def messages(self, queue: str) -> int:
        """How many wait in the broker."""
        with self.celery.connection_for_read() as connection:
            queue_of(queue)(connection.default_channel).queue_declare()
            on_rabbitmq = "amqp" in self.broker_url
            return int(connection.default_channel.queue_declare(queue=queue, passive=on_rabbitmq).message_count)

    def purge(self, queue: str) -> None:
        """Take all messages out of the queue."""
        with self.celery.connection_for_write() as connection:
            queue_of(queue)(connection.default_channel).purge()

    def _seen(self, how: str, task: str) -> "Active | None":
        told = getattr(self.celery.control.inspect(timeout=0.5), how)() or {}
        for worker, requests in told.items():
            for request in requests:
                if request["args"][0] == task:
                    return Active(worker, request["id"])
        return None

    @property
    def celery(self) -> Celery:
        """An application of an onlooker's: inspects and controls."""
        return celery_application(address_of(self.broker_url))


@contextmanager
def a_fleet(folder: Path, broker_url: str) -> Iterator[Fleet]:
    """Nothing but the API runs at first."""
    (folder / "fleet_app.py").write_text(MODULE)
    with postgres_database() as database:
        asyncio.run(migrate(database))
        with a_scene(folder, database, DULY_BROKER_URL=broker_url) as scene:
            yield Fleet(scene, broker_url)
