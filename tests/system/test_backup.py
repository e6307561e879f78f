"""The commands of the page about backups, typed as they stand there: what was restored serves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from duly.domain.errors import TaskNotFound
from tests.docs.pages import ROOT, blocks
from tests.support.databases import mysql_database, postgres_database, sqlite_database
from tests.support.service import Desk, Place, a_place

PAGE = ROOT / "docs" / "operate" / "backup.md"

pytestmark = pytest.mark.system


@pytest.fixture(params=["sqlite", *(pytest.param(kind, marks=pytest.mark.full) for kind in ("postgresql", "mysql"))])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def place(kind: str, tmp_path: Path) -> Iterator[Place]:
    """Where somebody runs a service on a database of this kind."""
    made = {"sqlite": sqlite_database(tmp_path), "postgresql": postgres_database(), "mysql": mysql_database()}[kind]
    with made as url:
        at = make_url(url)
        own = {"HOST": at.host, "ACCOUNT": at.username, "DATABASE": at.database, "MYSQL_PWD": at.password}
        commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        told = {"DULY_DATABASE_URL": url, "DULY_LEASE": "2s", "PATH": commands}
        env = {**a_place(tmp_path).env, **told, **{name: value for name, value in own.items() if value}}
        yield Place(tmp_path, env)


def test_a_restored_backup_has_what_was_there_and_goes_on(place: Place, kind: str):
    place.migrate()
    desk = Desk(place)
    before = desk.submit("text.reverse", {"text": "before"})

    typed(place, f"backup={kind}")
    after = desk.submit("text.reverse", {"text": "after"})
    typed(place, f"restore={kind}")

    with pytest.raises(TaskNotFound):
        desk.get(after)
    with place.duly("worker", "app:duly"):
        assert desk.wait(before).result == '"erofeb"'


def typed(place: Place, mark: str) -> None:
    """The page's lines with this mark; they must succeed."""
    (block,) = [block for block in blocks("sh", mark=mark) if block.page == PAGE]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=place.folder,
        env=dict(place.env),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{block}:\n{done.stdout}\n{done.stderr}"
