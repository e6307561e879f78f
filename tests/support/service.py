"""A whole service in processes of its own: what clients and commands talk to in tests."""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from duly import assembly
from duly.domain.task import Task, TaskId
from duly.engine.submission import Submission
from duly.settings import Settings
from tests.support.processes import eventually
from tests.support.servers import free_port

APP = '''
import asyncio
import os
import time
from pathlib import Path

from duly import Context, Duly, Fail

duly = Duly()


@duly.task(name="text.reverse")
async def reverse(text: str) -> str:
    """Turn a text round."""
    return text[::-1]


@duly.task(name="test.fail")
async def fail(why: str) -> None:
    raise Fail(why)


@duly.task(name="test.exit")
async def leave() -> None:
    """End the process as no handler should."""
    os._exit(1)


@duly.task(name="test.hold", queue="slow")
async def hold(file: str, seconds: float = 30) -> str:
    """Say that it runs, and hold on until the file is gone."""
    Path(file).write_text(str(os.getpid()))
    for _ in range(int(seconds * 100)):
        if not Path(file).exists():
            return "let go"
        await asyncio.sleep(0.01)
    return "gave up"


@duly.task(name="test.half")
async def half(ctx: Context, file: str) -> str:
    """Say that half is done, and hold on until the file is gone."""
    await ctx.progress(0.5, "half\\x1b[2J way")
    return await hold(file)
'''


@dataclass(frozen=True)
class Place:
    """A folder with an app in it, and the environment of what is started there."""

    folder: Path
    env: Mapping[str, str]

    @contextmanager
    def duly(self, *arguments: str, **env: str) -> Iterator["Running"]:
        """``duly`` with these arguments, running; killed at the end if it still runs."""
        log = self.folder / f"{arguments[0]}-{len(list(self.folder.glob('*.log')))}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "duly", *arguments],
                cwd=self.folder,
                env={**self.env, **env},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Running(process, log)
        finally:
            process.kill()
            process.wait()

    def migrate(self) -> None:
        """As ``duly migrate`` does, without a process."""
        asyncio.run(assembly.migrate(Settings(database_url=self.env["DULY_DATABASE_URL"])))

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """``duly`` with these arguments, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "duly", *arguments],
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


@dataclass(frozen=True)
class Running:
    """A command that runs."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self, word: str) -> bool:
        return word in self.log.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code after this signal."""
        self.process.send_signal(number)
        return self.process.wait(60)


class Desk:
    """Submits to a place's database and looks at it, without an API process."""

    def __init__(self, place: Place) -> None:
        spec = importlib.util.spec_from_file_location(f"app_{place.folder.name}", place.folder / "app.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._handlers = module.duly.handlers
        self._settings = Settings(database_url=place.env["DULY_DATABASE_URL"])

    def submit(self, type_name: str, payload: object) -> TaskId:
        return asyncio.run(self._submit(Submission(type=type_name, payload=payload)))

    def get(self, task_id: TaskId) -> Task:
        return asyncio.run(self._get(task_id))

    def wait(self, task_id: TaskId) -> Task:
        """The task, once it is final."""
        return asyncio.run(self._wait(task_id))

    async def _submit(self, submission: Submission) -> TaskId:
        async with assembly.open_service(self._settings, self._handlers) as service:
            return (await service.tasks.submit(submission)).task.id

    async def _get(self, task_id: TaskId) -> Task:
        async with assembly.open_service(self._settings, self._handlers) as service:
            return await service.tasks.get(task_id)

    async def _wait(self, task_id: TaskId) -> Task:
        async with assembly.open_service(self._settings, self._handlers) as service:
            task = await service.tasks.wait(task_id, timedelta(minutes=2))
        assert task.final, f"it is {task.state} still"
        return task


def a_place(folder: Path, app: str = APP) -> Place:
    """The folder with this app, on a SQLite file of its own; no setting of the tests' own environment gets in."""
    (folder / "app.py").write_text(textwrap.dedent(app))
    env = {name: value for name, value in os.environ.items() if not name.startswith("DULY_")}
    return Place(folder, env | {"DULY_DATABASE_URL": f"sqlite:///{folder / 'duly.db'}", "PYTHONUNBUFFERED": "1"})


def answers(url: str) -> bool:
    """Without httpx, which reads all certificates of the world for each client: this is asked again and again."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running service with a worker."""
    place = a_place(tmp_path_factory.mktemp("service"))
    url = f"http://127.0.0.1:{free_port()}"
    with place.duly("dev", "app:duly", "--port", url.rpartition(":")[2]) as running:
        eventually(lambda: answers(url) and running.said("Try it"))
        yield url
