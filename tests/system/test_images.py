"""The images are built, and no task is lost with a container, where a container engine is at hand."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from duly.client import Client
from tests.support import compose
from tests.support.processes import eventually
from tests.support.servers import free_port, missing

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/compose.yaml"))

pytestmark = [pytest.mark.system, pytest.mark.full, pytest.mark.timeout(1_500)]


@dataclass(frozen=True)
class Engine:
    """`docker compose` on one file, with whatever must be set, set."""

    file: Path
    env: dict[str, str]

    def compose(self, *words: str) -> str:
        return self.docker("compose", "--file", str(self.file), "--project-name", self.env["PROJECT"], *words)

    def docker(self, *words: str) -> str:
        """What it prints. It must succeed."""
        done = subprocess.run(["docker", *words], env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"docker {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def an_engine(file: Path) -> Engine:
    asked = ["docker", "compose", "version"]
    if shutil.which("docker") is None or subprocess.run(asked, capture_output=True, check=False).returncode:
        missing("docker compose")
    secrets = {name: uuid4().hex for name, value in compose.example_env(file).items() if not value}
    return Engine(file, {**os.environ, **secrets, "PROJECT": f"duly-{uuid4().hex[:8]}", "PORT": str(free_port())})


@pytest.mark.parametrize("file", [ROOT / "compose.yaml", *EXAMPLES], ids=lambda file: file.parent.name)
def test_compose_understands_the_file(file: Path):
    engine = an_engine(file)

    told = engine.compose("--profile", "*", "config", "--services").split()

    assert sorted(told) == sorted(compose.read(file).services)


@pytest.fixture(params=["embedded", "postgres-rabbitmq"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The service of this profile, with two workers, up."""
    made = an_engine(ROOT / "compose.yaml")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        missing("a container engine that runs")
    made = Engine(made.file, {**made.env, "COMPOSE_PROFILES": request.param, "WORKERS": "2"})
    try:
        made.compose("up", "--build", "--detach", "--wait")
        yield made
    finally:
        made.compose("down", "--volumes")


def test_the_task_of_a_worker_container_that_is_killed_is_completed_by_another(engine: Engine):
    with Client(f"http://127.0.0.1:{engine.env['PORT']}") as client:
        task = client.submit("primes.count", {"below": 1_000_000_000}).id
        eventually(lambda: client.get(task).state == "running")
        claimed = next(event for event in client.events(task) if event.worker)
        engine.docker("kill", "--signal", "KILL", str(claimed.worker).partition(":")[0])

        done = client.wait(task, timedelta(minutes=5))

    assert (done.state, done.attempt, done.failures) == ("completed", 2, 0)
