"""Duly inside a process of somebody else's fleet: what becomes of that process when Duly's part of it has failed."""

import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from uuid import uuid4

import pytest

from duly import Duly, Settings
from duly.domain.task import TaskId
from duly.station import Post, Station

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


def test_a_station_that_is_told_to_end_while_it_opens_ends_at_once():
    """Once, it waited for the database as long as one call of it may take."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/duly"
        settings = Settings(database_url=url, database_timeout=timedelta(seconds=60))
        post = Post(queues=("default",), slots=1, last_resort=None)
        station = Station(Duly(), settings, post, lambda *_: None)
        station.start()
        wire, _ = silent.accept()
        with wire:
            asked = time.monotonic()
            station.close()
            took = time.monotonic() - asked

    assert took < 20  # a busy machine
    assert station.take("default", TaskId(uuid4()), "hint") is False


@pytest.mark.system
def test_a_station_that_has_ended_may_be_told_to_end_once_more(tmp_path):
    """Celery's children were told by a signal, and raised wherever they just were."""
    command = [sys.executable, "-c", TOLD_TWICE, f"sqlite:///{tmp_path / 'duly.db'}"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
