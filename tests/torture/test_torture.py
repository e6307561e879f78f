"""``duly torture`` itself, on real processes: what it says of Duly, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import missing
from tests.support.service import Place, a_place

WITHIN = 900
"""Seconds: it ends by itself, on a machine that does much else besides."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return a_place(tmp_path)


def tortured(place: Place, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "duly", "torture", *arguments],
        cwd=place.folder,
        env=place.env,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )


def installed(done: "subprocess.CompletedProcess[str]") -> None:
    """What is not installed skips, unless the gate says that nothing may."""
    if "is not installed here" in done.stderr:
        missing(done.stderr)


# The gate has the shortest run with a fault in it: that the command works, from its servers to its verdict.
@pytest.mark.system
@pytest.mark.timeout(WITHIN)
@pytest.mark.parametrize(
    ("minutes", "faults"),
    [("0.4", "kill,cut"), pytest.param("2", "kill,stop,rolling,cut,flush", marks=pytest.mark.full)],
)
def test_a_torture_on_postgresql_and_redis_loses_and_doubles_nothing(place: Place, minutes: str, faults: str):
    figures = place.folder / "figures.json"
    how = ("--minutes", minutes, "--rate", "10", "--clients", "4", "--seed", "7", "--json", str(figures))

    done = tortured(place, "--store", "postgresql", "--broker", "redis", "--faults", faults, *how)

    installed(done)
    assert "lost 0 · doubled 0 · " in done.stdout, done.stdout + done.stderr
    told = json.loads(figures.read_text())
    assert told["proved"], done.stdout
    assert told["all_final"], done.stdout + done.stderr
    assert told["stuck"] == 0, done.stdout
    assert told["tasks"] > 20
    assert len(told["faults"]) >= 1


@pytest.mark.system
def test_a_store_with_tasks_is_refused(place: Place):
    url = f"sqlite:///{place.folder / 'mine.db'}"
    assert place.run("migrate", DULY_DATABASE_URL=url).returncode == 0
    _submit_one(place, url)

    done = tortured(place, "--store", url, "--minutes", "0.1")

    assert done.returncode == 1
    assert "has tasks" in done.stderr


def test_a_store_that_nobody_knows_is_refused_and_nothing_is_made(place: Place):
    """Its folder was made before, and another was asked for the next time."""
    records = place.folder / "records"

    done = tortured(place, "--store", "postgres", "--folder", str(records))

    assert done.returncode == 2
    assert "postgresql" in done.stderr
    assert not records.exists()


def test_a_fault_that_nobody_knows_is_refused_with_those_that_there_are(place: Place):
    done = tortured(place, "--faults", "kill,meteor")

    assert done.returncode == 2
    assert "meteor" in done.stderr
    assert "half-open" in done.stderr


def _submit_one(place: Place, url: str) -> None:
    code = (
        "import asyncio, app\n"
        "async def main():\n"
        "    async with app.duly:\n"
        "        await app.duly.submit('text.reverse', {'text': 'mine'})\n"
        "asyncio.run(main())\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=place.folder,
        env={**place.env, "DULY_DATABASE_URL": url},
        check=True,
        timeout=60,
    )
