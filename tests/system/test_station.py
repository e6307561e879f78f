"""Duly inside a process of somebody else's fleet: what becomes of that process when Duly's part of it has failed."""

import signal
import subprocess
import sys

import pytest

BROKEN = """
import asyncio, sys, time

import duly.assembly
from duly import Duly, Settings
from duly.station import Post, Station


async def fail():
    raise ZeroDivisionError


duly.assembly._background = lambda *_: [fail()]
settings = Settings(database_url=sys.argv[1])
asyncio.run(duly.assembly.migrate(settings))
emit = lambda *what: print(*what, file=sys.stderr)
station = Station(Duly(), settings, Post(queues=("default",), slots=1, last_resort=None), emit)
station.start()
time.sleep(60)
"""


@pytest.mark.mistake(45)
@pytest.mark.system
def test_a_process_whose_station_is_broken_ends(tmp_path):
    """Once it stayed: each task that it was handed failed, and the hint to it was lost."""
    command = [sys.executable, "-c", BROKEN, f"sqlite:///{tmp_path / 'duly.db'}"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)

    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert "station.broken" in ended.stderr


TOLD_TWICE = """
import asyncio, sys

import duly.assembly
from duly import Duly, Settings
from duly.station import Post, Station

settings = Settings(database_url=sys.argv[1])
asyncio.run(duly.assembly.migrate(settings))
station = Station(Duly(), settings, Post(queues=("default",), slots=1, last_resort=None), lambda *_: None)
station.start()
station.close()
station.drain()
"""


@pytest.mark.system
def test_a_station_that_has_ended_may_be_told_to_end_once_more(tmp_path):
    """Celery's children were told by a signal, and raised wherever they just were."""
    command = [sys.executable, "-c", TOLD_TWICE, f"sqlite:///{tmp_path / 'duly.db'}"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
