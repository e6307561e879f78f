"""What the pages tell people to type works: programs run, tests pass, shell lines succeed against a live service.

The first line of a block says what it is for. ``file=app.py``: written beside the page's other blocks. ``run``: a
program; ``test``: a file for pytest. ``live``: shell lines for another terminal, while the page's service runs.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.pages import Block, blocks

SECONDS = 60


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A fresh database, made once."""
    folder = tmp_path_factory.mktemp("migrated")
    _run([sys.executable, "-m", "duly", "migrate"], folder)
    return (folder / "duly.db").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, migrated: bytes) -> Path:
    """Where a reader of the page stands: with a database, and nothing else."""
    (tmp_path / "duly.db").write_bytes(migrated)
    return tmp_path


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_every_python_block_is_python(block: Block):
    compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.system
@pytest.mark.parametrize("block", blocks("python", mark="run"), ids=str)
def test_a_program_of_the_docs_runs(block: Block, folder: Path):
    write_files(block.page, folder)
    (folder / "program.py").write_text(block.text)

    _run([sys.executable, "program.py"], folder)


@pytest.mark.system
@pytest.mark.parametrize("block", blocks("python", mark="test"), ids=str)
def test_a_test_of_the_docs_passes(block: Block, folder: Path):
    write_files(block.page, folder)
    (folder / "test_it.py").write_text(block.text)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\npythonpath = .\n")

    _run([sys.executable, "-m", "pytest", "-q", "test_it.py"], folder)


def write_files(page: Path, folder: Path) -> None:
    """The page's files, into the folder."""
    for block in blocks("python"):
        for mark in block.marks:
            if block.page == page and mark.startswith("file="):
                (folder / mark.removeprefix("file=")).write_text(block.text)


def environment(**more: str) -> Mapping[str, str]:
    """A reader's: no setting of ours, and the commands of this installation."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DULY_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
    return {**clean, "PATH": path, "PYTHONWARNINGS": "error", **more}


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment(), timeout=SECONDS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
