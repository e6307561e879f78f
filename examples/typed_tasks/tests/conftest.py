"""The application as it is run, API and worker, on a SQLite file of its own and whatever ``.env`` says."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("typed-tasks")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {"DULY_DATABASE_URL": f"sqlite:///{folder / 'tasks.db'}", "DULY_AUTH": "none", "DULY_BROKER_URL": ""}
    env |= {"DULY_HOST": "127.0.0.1", "DULY_PORT": str(port), "TASKS_DEMO_DELAY": "0"}
    with (
        started("app.main", folder / "api.log", env) as api,
        started("app.workers.worker", folder / "worker.log", env),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        while not answers(client):
            assert api.poll() is None, (folder / "api.log").read_text()
            time.sleep(0.1)
        yield client


@contextmanager
def started(module: str, log: Path, env: dict[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", module], env=os.environ | env, stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").is_success
    except httpx.TransportError:
        return False
