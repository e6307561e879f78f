"""A service in real processes on one database, short leases, and what its handlers did as they themselves wrote it."""

import fcntl
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import psutil
import pytest
from sqlalchemy.engine import make_url

from duly.client import Client
from duly.domain.errors import DulyError
from duly.domain.state import FINAL
from duly.wire.task import Task
from tests.support.processes import eventually, standing_still
from tests.support.servers import free_port
from tests.support.service import Place, Running, a_place, answers

T = TypeVar("T")

APP = Path(__file__).parent / "programs" / "app.py"
PATIENCE = 150.0
"""Seconds that a test waits for what must happen, on a machine that does much else besides."""

IN_THE_GATE_ON_POSTGRESQL = pytest.mark.parametrize(
    "scene",
    [pytest.param("sqlite", marks=pytest.mark.full), "postgresql", pytest.param("mariadb", marks=pytest.mark.full)],
    indirect=True,
)
"""For what takes long, and does not depend much on the database; ``make full`` runs it on all."""

SHORT = {"DULY_LEASE": "2s", "DULY_GRACE": "2s", "DULY_POLL_INTERVAL": "200ms", "DULY_LOG_FORMAT": "json"}


@dataclass(frozen=True, slots=True)
class Effect:
    """One line that a handler wrote."""

    word: str
    task: str
    attempt: int
    pid: int


@dataclass(frozen=True)
class Effects:
    """What handlers wrote, in the order of time."""

    file: Path

    def all(self) -> list[Effect]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        cells = [line.split(" ") for line in lines]
        return [Effect(word, task, int(attempt), int(pid)) for word, task, attempt, pid in cells]

    def of(self, task: str) -> list[Effect]:
        return [effect for effect in self.all() if effect.task == task]

    def words(self, task: str) -> list[str]:
        return [effect.word for effect in self.of(task)]

    def pid(self, task: str, attempt: int = 1) -> int:
        """The process in which this attempt started; waits for it."""
        return eventually_found(lambda: [e.pid for e in self.of(task) if e.word == "start" and e.attempt == attempt])[
            -1
        ]


@dataclass(frozen=True)
class Scene:
    """A folder with an app, a database, and an API process that serves it."""

    place: Place
    url: str
    client: Client
    effects: Effects

    @contextmanager
    def worker(self, *arguments: str, **env: str) -> Iterator[Running]:
        """``duly worker``, once it claims."""
        with self.place.duly("worker", "app:duly", *arguments, **env) as worker:
            eventually(lambda: worker.said("worker.started"), PATIENCE)
            yield worker

    def gate(self) -> Path:
        """A file that is not there yet; handlers hold on until it is."""
        return self.place.folder / f"gate-{uuid4().hex[:8]}"

    def submit(self, type_name: str, count: int = 1, **payload: object) -> list[str]:
        """Tasks of this type; their ids."""
        return [self.client.submit(type_name, payload).id for _ in range(count)]

    def one(self, type_name: str, **payload: object) -> str:
        """One task of this type; its id."""
        return self.submit(type_name, **payload)[0]

    def final(self, *tasks: str, within: float = PATIENCE) -> list[Task]:
        """These tasks, once all are final."""
        deadline = time.monotonic() + within
        ended = [self.client.wait(task, timedelta(seconds=max(deadline - time.monotonic(), 1))) for task in tasks]
        assert all(task.state in FINAL for task in ended), [(task.id, task.state, task.reason) for task in ended]
        return ended

    def freeze(self, pid: int) -> None:
        """Stop the process where it stands, but not while it holds a SQLite file: nobody else could write to it then.

        Such a lock is given back only when the process goes on or ends, with SQLite as with any file. So we hold it
        ourselves until the process stands still: one that went on and was stopped again might outlive its lease.
        """
        with at_rest(self.place.env["DULY_DATABASE_URL"]):
            send(pid, signal.SIGSTOP)
            eventually(lambda: standing_still(pid), PATIENCE)

    def story(self, task: str) -> Counter[str]:
        """How often each kind of event happened to the task."""
        return Counter(event.kind.value for event in self.client.events(task))

    def wait_until(self, state: str, task: str, within: float = PATIENCE) -> Task:
        """The task, once it is in this state."""
        return eventually_found(lambda: self._in_state(state, task), within)

    def _in_state(self, state: str, task_id: str) -> Task | None:
        task = self.client.get(task_id)
        return task if task.state == state else None


@contextmanager
def a_scene(folder: Path, database: str, **env: str) -> Iterator[Scene]:
    """The scene on this migrated database, its API answering."""
    place = a_scenery(folder, database, **env)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with place.duly("api", "app:duly", "--port", str(port)), Client(url) as client:
        eventually(partial(answers, url), PATIENCE)
        yield Scene(place, url, client, Effects(folder / "effects"))


def a_scenery(folder: Path, database: str, **env: str) -> Place:
    """The folder and the environment alone, nothing running."""
    place = a_place(folder, APP.read_text())
    own = {"DULY_DATABASE_URL": database, "EFFECTS": str(folder / "effects")}
    return Place(folder, {**place.env, **SHORT, **own, **env})


def eventually_found(look: Callable[[], T | None], within: float = PATIENCE) -> T:
    """What is found, as soon as there is something."""
    found: list[T | None] = []
    eventually(lambda: found.append(look()) or found[-1], within)
    return found[-1]


def children(pid: int) -> list[int]:
    """The worker processes below a supervisor."""
    return [child.pid for child in psutil.Process(pid).children() if child.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def at_rest(database: str) -> Iterator[None]:
    """Nobody writes to this file, nor is next in turn; nothing to do for other databases than SQLite."""
    url = make_url(database)
    if url.get_backend_name() != "sqlite":
        yield
        return
    with Path(f"{url.database}-turn").open("a") as turn, Path(f"{url.database}-lock").open("a") as held:
        # In the order of FairLock; closing them gives them back.
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def send(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)


def found(client: Client, task: str) -> bool:
    """Whether the service has this task."""
    try:
        client.get(task)
    except DulyError:
        return False
    return True
