"""What happens while a part of the tasks is submitted, one trouble after the other."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx
from benchmarks.pairs.brokers import QUEUES, Broker
from benchmarks.pairs.clients import Clients
from benchmarks.pairs.crews import Crew
from benchmarks.pairs.mix import Item

from tests.support.processes import eventually

PATIENCE = 120.0


@dataclass
class Fire:
    """A service at work, who submits to it, and what was done to it."""

    http: httpx.Client
    clients: Clients
    broker: Broker
    crew: Crew
    record: Path
    deaths: int
    """How many workers are to be killed."""
    purged: int = 0
    kills: int = 0
    found_without: int = 0
    """Tasks that ended while the broker was away."""


Trouble = Callable[[Fire, Sequence[Item]], None]


def quiet(fire: Fire, items: Sequence[Item]) -> None:
    """Nothing."""
    fire.clients.submit(items)


def stopped(fire: Fire, items: Sequence[Item]) -> None:
    """The broker is killed, and stays away until some of what was submitted meanwhile has ended, where it can."""
    fire.broker.kill()
    ended_before = _ended(fire)
    fire.clients.submit(items)
    wanted = ended_before + len(items) // 5
    if fire.crew.looks:
        eventually(lambda: _ended(fire) >= wanted, PATIENCE)
    fire.found_without = _ended(fire) - ended_before
    fire.broker.start()


def purged(fire: Fire, items: Sequence[Item]) -> None:
    """Nobody may take from the queues until the broker has lost all that was announced of these tasks."""
    for queue in QUEUES:
        fire.http.post(f"/v1/queues/{queue}/pause").raise_for_status()
    with fire.crew.taking_nothing():
        fire.clients.submit(items)
        if fire.broker.env:
            eventually(lambda: _purged(fire), PATIENCE)
    for queue in QUEUES:
        fire.http.post(f"/v1/queues/{queue}/resume").raise_for_status()


def cut(fire: Fire, items: Sequence[Item]) -> None:
    """All connections of the broker are closed from its side in the midst of it."""
    cutting = Thread(target=fire.broker.cut)
    half = len(items) // 2
    fire.clients.submit(items[:half])
    cutting.start()
    fire.clients.submit(items[half:])
    cutting.join()


def killed(fire: Fire, items: Sequence[Item]) -> None:
    """A worker that has most at hand is killed by -9; tasks that only a cancel ends keep it busy."""
    with fire.clients.holding_back():
        fire.clients.submit(items)
        for _ in range(fire.deaths):
            eventually(lambda: _kill_one(fire), PATIENCE)


TROUBLES: tuple[Trouble, ...] = (quiet, stopped, purged, cut, killed)


def _purged(fire: Fire) -> bool:
    fire.purged += fire.broker.purge()
    return fire.purged > 0


def _kill_one(fire: Fire) -> bool:
    done = fire.crew.kill_one(_at_hand(fire.record))
    fire.kills += done
    return done


def _at_hand(record: Path) -> "Counter[int]":
    """How many handlers run, by process."""
    begun: dict[str, int] = {}
    for line in record.read_text().splitlines():
        word, task, attempt, pid = line.split(" ")
        if word == "start":
            begun[f"{task} {attempt}"] = int(pid)
        else:
            begun.pop(f"{task} {attempt}", None)
    return Counter(begun.values())


def _ended(fire: Fire) -> int:
    time.sleep(0.05)
    return sum(1 for line in fire.record.read_text().splitlines() if line.startswith("end "))
