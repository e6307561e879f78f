"""The lines that the pages tell people to type while a service runs, typed while a service runs."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, contains
from tests.docs.test_blocks import environment, write_files
from tests.support.processes import eventually

SECONDS = 120
SHOWN = "http://127.0.0.1:8000"
PAGES = sorted({block.page for block in blocks("sh", mark="live")})
TOUR = ("tour.app:duly", "--app-dir", str(ROOT / "examples"))
OWN = ("app:duly",)

_ADDRESS = re.compile(r"Duly is at (http://[^,\s]+)")


@pytest.mark.system
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_tells_to_type_works(page: Path, tmp_path: Path):
    app = OWN if page.is_relative_to(ROOT / "docs") else TOUR
    write_files(page, tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))

    with serving(app, tmp_path) as url:
        shown = ""
        for block in blocks("sh", "json"):
            if block.page == page and "live" in block.marks:
                shown = typed(block, url, tmp_path)
            elif block.page == page and "answer" in block.marks:
                assert contains(json.loads(shown), json.loads(block.text)), f"{block}:\n{shown}"


@contextmanager
def serving(app: tuple[str, ...], folder: Path) -> Iterator[str]:
    """`duly dev` in this folder, on a port of its own. Yields its address; it must end well."""
    command = [sys.executable, "-m", "duly", "dev", *app, "--port", "0"]
    log = folder / "log"
    with log.open("w") as out:
        service = subprocess.Popen(command, cwd=folder, env=environment(), stdout=out, stderr=out)
        try:
            eventually(lambda: _ADDRESS.search(log.read_text()) or service.poll() is not None)
            address = _ADDRESS.search(log.read_text())
            assert address is not None, log.read_text()
            yield address[1]
        finally:
            service.send_signal(signal.SIGINT)
            assert service.wait(SECONDS) == 0, log.read_text()


def typed(block: Block, url: str, folder: Path) -> str:
    """What the lines print. They must all succeed."""
    lines = block.text.replace(SHOWN, url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=folder,
        env=environment(DULY_URL=url),
        timeout=SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
