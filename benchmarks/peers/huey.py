"""Huey: tasks and results in Redis, or in a SQLite file."""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from random import uniform

from benchmarks.harness import tally
from benchmarks.harness.command import serve
from huey import RedisHuey, SqliteHuey

MODULE = "benchmarks.peers.huey"
WORKERS = os.environ.get("BENCH_WORKERS", "4")

if os.environ.get("BENCH_URL", "").startswith("sqlite"):
    huey = SqliteHuey(filename=os.environ["BENCH_URL"].removeprefix("sqlite:///"), fsync=True)
else:
    huey = RedisHuey(url=os.environ["BENCH_REDIS"], blocking=True, notify_result="BENCH_NOTIFY" in os.environ)


@huey.task()
def noop(number: int, text: str) -> dict:
    del text
    tally.count()
    return tally.result(number)


@huey.task()
def start() -> float:
    return time.time()


def fill(tasks: int) -> None:
    for number in range(tasks):
        noop(**tally.payload(number))


def work() -> None:
    consumer = str(Path(sys.executable).with_name("huey_consumer"))
    options = ["-w", WORKERS, "-k", os.environ.get("BENCH_KIND", "thread"), "-q", "-d", "0.001", "-n"]
    os.execv(consumer, [consumer, f"{MODULE}.huey", *options])


def watch(tasks: int, processes: int) -> None:
    tally.watch(tasks, processes, huey.result_count)


def latency(tasks: int, warm: int) -> None:
    took = []
    for _ in range(warm + tasks):
        time.sleep(uniform(*tally.PAUSES))
        begun = time.time()
        started = start().get(blocking=True, timeout=30, backoff=1.0, max_delay=0.001)
        took.append((started - begun, time.time() - begun))
    print(json.dumps(took[warm:]))


if __name__ == "__main__":
    # Tasks are known by their module's name, which is another one when the module is run as a program.
    named = importlib.import_module(MODULE)
    serve(fill=named.fill, work=work, watch=watch, latency=named.latency, prepare=lambda: None)
