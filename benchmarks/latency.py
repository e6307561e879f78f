"""Latency of an idle system: from a submit over HTTP to its handler's start, and to a waiting reader's answer.

Run: python -m benchmarks.latency [--tasks 100] [--pairs postgresql+none,mariadb+redis]

One API process, one worker process (with Celery two workers with three children each); one task at a time, with random
pauses in between. The submit says `Prefer: wait`, so its answer is the finished task. All on one machine, by one clock.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from benchmarks.pairs.crews import a_crew
from benchmarks.pairs.service import a_broker, a_place, an_api
from benchmarks.pairs_under_fire import PAIRS
from benchmarks.under_fire import an_empty

HEAD = "| pair | handler's start p50 | p99 | result seen p50 | p99 |\n| --- | ---: | ---: | ---: | ---: |"
WARM = 10


def measured(database: str, kind: str, folder: Path, tasks: int) -> tuple[list[float], list[float]]:
    """Seconds to the start of each handler, and to each result."""
    with an_empty(database, folder) as url, a_broker(kind, folder) as broker:
        place = a_place(folder, url, broker)
        with an_api(place) as (base, _), a_crew(kind, place), httpx.Client(base_url=base, timeout=60) as http:
            both = [_one(http) for _ in range(WARM + tasks)][WARM:]
    return [start for start, _ in both], [seen for _, seen in both]


def _one(http: httpx.Client) -> tuple[float, float]:
    time.sleep(random.uniform(0.05, 0.25))
    began = time.time()
    answer = http.post("/v1/tasks", json={"type": "pair.start", "payload": {}}, headers={"Prefer": "wait=30"})
    seen = time.time() - began
    task = answer.raise_for_status().json()
    assert task["state"] == "completed", task
    return task["result"] - began, seen


def row(name: str, columns: Sequence[Sequence[float]]) -> str:
    """One row of the table, in milliseconds."""
    cells = []
    for column in columns:
        cuts = statistics.quantiles(column, n=100, method="inclusive")
        cells += [f"{cuts[49] * 1000:.1f} ms", f"{cuts[98] * 1000:.1f} ms"]
    return "| " + " | ".join((name, *cells)) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--pairs", default=",".join("+".join(pair) for pair in PAIRS))
    given = parser.parse_args()
    print(HEAD, flush=True)
    for name in given.pairs.split(","):
        database, _, kind = name.partition("+")
        with tempfile.TemporaryDirectory(prefix="duly-latency-") as folder:
            print(row(name, measured(database, kind, Path(folder), given.tasks)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
