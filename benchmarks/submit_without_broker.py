"""What a submit over HTTP takes while the broker runs, is stopped, and hangs (holds connections, answers nobody).

Run: python -m benchmarks.submit_without_broker [--submits 1000] [--rounds 3] [--callers 4] [--database postgresql]

One API process and no worker. Each round measures all three states, one after the other; a figure is the median of the
rounds. The last column is the p99 as a multiple of the p99 with the broker running.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from benchmarks.pairs.brokers import Broker
from benchmarks.pairs.service import a_broker, a_place, an_api
from benchmarks.under_fire import an_empty

HEAD = "| broker | state | submit p50 | p99 | against running |\n| --- | --- | ---: | ---: | ---: |"


async def submits(url: str, count: int, callers: int) -> list[float]:
    """So many seconds each submit took."""
    took: list[float] = []

    async def caller(http: httpx.AsyncClient) -> None:
        for _ in range(count // callers):
            began = time.perf_counter()
            answer = await http.post("/v1/tasks", json={"type": "pair.fast", "payload": {"number": 1}})
            took.append(time.perf_counter() - began)
            assert answer.status_code == 202, answer.text

    async with httpx.AsyncClient(base_url=url, timeout=60) as http, asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller(http))
    return took


@contextmanager
def _state(enter: Callable[[], None], leave: Callable[[], None]):
    enter()
    try:
        yield
    finally:
        leave()


def states(broker: Broker) -> Mapping[str, tuple[Callable[[], None], Callable[[], None]]]:
    """How each state is entered and left."""
    return {
        "running": (lambda: None, lambda: None),
        "stopped": (broker.kill, broker.start),
        "hanging": (broker.freeze, broker.thaw),
    }


def measured(database: str, kind: str, folder: Path, given: argparse.Namespace) -> Mapping[str, tuple[float, float]]:
    """p50 and p99 in seconds, of each state."""
    cuts: defaultdict[str, list[list[float]]] = defaultdict(list)
    with (
        an_empty(database, folder) as url,
        a_broker(kind, folder) as broker,
        an_api(a_place(folder, url, broker)) as (base, _),
    ):
        asyncio.run(submits(base, given.submits, given.callers))
        for _ in range(given.rounds):
            for name, (enter, leave) in states(broker).items():
                with _state(enter, leave):
                    took = asyncio.run(submits(base, given.submits, given.callers))
                cuts[name].append(statistics.quantiles(took, n=100))
    return {
        name: (statistics.median(cut[49] for cut in rounds), statistics.median(cut[98] for cut in rounds))
        for name, rounds in cuts.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submits", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--database", default="postgresql")
    given = parser.parse_args()
    print(HEAD, flush=True)
    for kind in ("rabbitmq", "redis"):
        with tempfile.TemporaryDirectory(prefix="duly-submit-") as folder:
            seen = measured(given.database, kind, Path(folder), given)
        for name, (p50, p99) in seen.items():
            times = p99 / seen["running"][1]
            print(f"| {kind} | {name} | {p50 * 1000:.1f} ms | {p99 * 1000:.1f} ms | {times:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
