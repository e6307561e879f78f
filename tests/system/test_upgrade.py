"""From the version before to this one while everybody works: migrated under load, old and new side by side."""

import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from duly.client import Client
from duly.domain.state import State
from tests.docs.pages import ROOT
from tests.support.databases import mysql_database, postgres_database, sqlite_database
from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import answers
from tests.system.load import under_load
from tests.system.scene import PATIENCE, Effects, a_scenery

pytestmark = [pytest.mark.system, pytest.mark.full, pytest.mark.timeout(900)]

MIGRATIONS = "src/duly/stores/sql/migrations/versions"


@pytest.fixture(scope="module")
def old_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the commit before the last migration."""
    last = git("log", "-1", "--format=%H", "--diff-filter=A", "--", MIGRATIONS).decode().strip()
    folder = tmp_path_factory.mktemp("before")
    archive = folder / "source.tar"
    archive.write_bytes(git("archive", f"{last}^", "src"))
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    newest = max(file.name for file in (ROOT / MIGRATIONS).glob("0*.py"))
    assert not (folder / MIGRATIONS / newest).exists()
    return folder / "src"


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def database(request: pytest.FixtureRequest, tmp_path: Path):
    with ExitStack() as stack:
        kinds = {"sqlite": lambda: sqlite_database(tmp_path), "postgresql": postgres_database, "mysql": mysql_database}
        yield stack.enter_context(kinds[request.param]())


@pytest.mark.mistake(44)
def test_the_last_migration_under_load_fails_no_request_and_both_versions_work_side_by_side(
    tmp_path: Path, database: str, old_source: Path
):
    place, effects, port = a_scenery(tmp_path, database), Effects(tmp_path / "effects"), free_port()
    url, before = f"http://127.0.0.1:{port}", {"PYTHONPATH": str(old_source)}
    made = place.run("migrate", **before)
    assert made.returncode == 0, made.stderr
    with (
        place.duly("api", "app:duly", "--port", str(port), **before),
        place.duly("worker", "app:duly", DULY_LEASE="60s", **before) as old,
        Client(url) as client,
    ):
        eventually(lambda: answers(url), PATIENCE)
        with under_load(url) as load:
            eventually(lambda: done_by(effects, old.process.pid) > 20, PATIENCE)
            with ThreadPoolExecutor(3) as pool:
                migrated = [each.result() for each in [pool.submit(place.run, "migrate") for _ in range(3)]]
            with place.duly("worker", "app:duly", DULY_LEASE="60s") as new:
                ahead = done_by(effects, old.process.pid)
                eventually(lambda: done_by(effects, new.process.pid) > 20, PATIENCE)
                eventually(lambda: done_by(effects, old.process.pid) > ahead + 20, PATIENCE)
                new.stop()
        with place.duly("api", "app:duly", "--port", str(newer := free_port())):
            eventually(lambda: answers(f"http://127.0.0.1:{newer}"), PATIENCE)
            with under_load(f"http://127.0.0.1:{newer}") as later:
                eventually(lambda: len(later.accepted) > 40, PATIENCE)
        tasks = [client.wait(task) for task in (*load.accepted.values(), *later.accepted.values())]

    assert [one.returncode for one in migrated] == [0, 0, 0], [one.stderr for one in migrated]
    assert (load.refused, load.strange) == ({}, [])
    assert (later.refused, later.strange) == ({}, [])
    assert {(task.state, task.attempt) for task in tasks} == {(State.COMPLETED, 1)}


def done_by(effects: Effects, pid: int) -> int:
    return sum(effect.word == "end" and effect.pid == pid for effect in effects.all())


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
