"""One SQLite file and several processes; one SQLite file and no room left."""

import asyncio
import os
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from duly.domain.state import State
from duly.stores.sql.migrate import migrate
from duly.wire.submit import Submit
from tests.support.processes import eventually
from tests.support.servers import missing
from tests.system.scene import PATIENCE, Scene, a_scene

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def test_two_workers_at_full_rate_on_one_file_both_get_their_share(sqlite_scene: Scene):
    scene, count = sqlite_scene, 1000
    with scene.worker(DULY_LEASE="30s") as one, scene.worker(DULY_LEASE="30s") as other:
        pids = {one.process.pid, other.process.pid}
        eventually(lambda: pids <= {worker.pid for worker in scene.client.workers()}, PATIENCE)
        scene.client.pause("default")
        batch = [Submit(type="quick", payload={"number": number}) for number in range(count)]
        tasks = {task.id for task in scene.client.submit_many(batch)}
        scene.client.resume("default")
        eventually(lambda: len({e.task for e in scene.effects.all() if e.word == "end"} & tasks) == count, PATIENCE)
        ended = scene.final(*tasks)

    shares = Counter(effect.pid for effect in scene.effects.all() if effect.word == "end" and effect.task in tasks)
    assert {(task.state, task.attempt) for task in ended} == {(State.COMPLETED, 1)}
    assert set(shares) == pids
    assert min(shares.values()) > count / 10, shares


def test_a_full_disk_is_told_spoils_nothing_and_heals(tmp_path: Path):
    with a_small_disk(tmp_path) as disk:
        url = f"sqlite:///{disk / 'duly.db'}"
        asyncio.run(migrate(url))
        with a_scene(tmp_path, url) as scene:
            kept = scene.one("quick")
            filler = disk / "filler"
            fill(filler)
            answer = eventually_full(scene.url)
            filler.unlink()
            healed = scene.one("quick")
            with scene.worker():
                ended = scene.final(kept, healed)
            with closing(sqlite3.connect(disk / "duly.db")) as file:
                (sound,) = file.execute("PRAGMA integrity_check").fetchone()

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["code"] == "store-unavailable"
    assert "full" in answer.json()["detail"]
    assert [(task.state, task.attempt) for task in ended] == [(State.COMPLETED, 1)] * 2
    assert sound == "ok"


def eventually_full(url: str) -> httpx.Response:
    """The first answer that is not a success."""
    while (answer := submit(url)).status_code == 202:
        continue
    return answer


def submit(url: str) -> httpx.Response:
    return httpx.post(f"{url}/v1/tasks", json={"type": "hold.async", "payload": {"gate": "x" * 50_000}}, timeout=60)


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"\0" * 4096)
        except OSError:
            return


@contextmanager
def a_small_disk(folder: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        missing(f"A file system cannot be mounted here (user {os.getuid()}).")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)
