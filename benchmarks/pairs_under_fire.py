"""Every pair of database and broker under fire: the broker stopped, purged and cut off, workers killed by -9.

Run: python -m benchmarks.pairs_under_fire [--tasks 5000] [--pairs postgresql+none,mariadb+redis] [--seed 1]

Mixed tasks (fast, slow, failing, retried, delayed, prioritised, cancelled) go through HTTP to two worker processes,
or to two Celery workers with three children each.
Prints a table, and every promise that was broken; the exit code is 1 if there is one. Brokers are started in temporary
folders from the installed programs, databases are made on the servers that the tests use and dropped.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import httpx
from benchmarks.pairs.brokers import Broker
from benchmarks.pairs.clients import Clients
from benchmarks.pairs.crews import a_crew
from benchmarks.pairs.mix import a_mix
from benchmarks.pairs.service import a_broker, a_place, an_api
from benchmarks.pairs.troubles import TROUBLES, Fire
from benchmarks.pairs.verdict import Verdict, judge
from benchmarks.under_fire import all_final, an_empty

from tests.support.processes import eventually

Pair = tuple[str, str]
"""A database and a broker."""

PAIRS: tuple[Pair, ...] = (
    *((db, broker) for db in ("postgresql", "mariadb") for broker in ("none", "rabbitmq", "redis")),
    ("postgresql", "celery"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much, and how hard."""

    tasks: int = 5_000
    seed: int = 1
    slots: int = 10
    lease: str = "5s"
    deaths: int = 2
    patience: float = 1200


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the table."""

    pair: Pair
    fire: Fire
    verdict: Verdict
    left: str
    seconds: float

    @property
    def row(self) -> str:
        seen, fire = self.verdict, self.fire
        states = [seen.states.get(state, 0) for state in ("completed", "failed", "cancelled")]
        slowest = f"{fire.clients.slowest:.1f} s"
        done = (fire.found_without, fire.purged, fire.kills, seen.crashes)
        cells = ("+".join(self.pair), *states, *done, slowest, f"{self.seconds:.0f} s", self.left or "nothing")
        return "| " + " | ".join(map(str, (*cells, len(seen.broken)))) + " |"


HEAD = (
    "| pair | completed | failed | cancelled | ended while the broker was away | messages purged | kills | claims lost"
    " | slowest submit | time | left in the broker | promises broken |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |"
)


def run(pair: Pair, url: str, folder: Path, plan: Plan) -> Outcome:
    """The whole run on one empty, migrated database and a broker of its own."""
    random = Random(plan.seed)
    with a_broker(pair[1], folder) as broker, _at_work(pair[1], broker, url, folder, plan) as (fire, api_log):
        began = time.monotonic()
        with fire.clients.at_work():
            for trouble in TROUBLES:
                trouble(fire, a_mix(plan.tasks // len(TROUBLES), random))
            eventually(partial(all_final, fire.http), plan.patience)
            seconds = time.monotonic() - began
        left = _left(broker)
        verdict = judge(fire.http, fire.clients.accepted, (api_log, *fire.crew.logs), fire.record)
    return Outcome(pair, fire, verdict, left, seconds)


@contextmanager
def _at_work(kind: str, broker: Broker, url: str, folder: Path, plan: Plan) -> Iterator[tuple[Fire, Path]]:
    """An API process, whose log is returned too, and two workers."""
    record = folder / "record"
    record.touch()
    place = a_place(folder, url, broker, DULY_LEASE=plan.lease, JOB_RECORD=str(record))
    with (
        an_api(place) as (base, api),
        httpx.Client(base_url=base, timeout=60) as http,
        a_crew(kind, place, "--processes", "2", "--slots", str(plan.slots)) as crew,
    ):
        yield Fire(http, Clients(http), broker, crew, record, plan.deaths), api.log


def _left(broker: Broker) -> str:
    """What the broker still holds after a while of nothing to do: hints that came late are taken and found empty."""
    deadline = time.monotonic() + 30
    while (left := broker.left()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", default=",".join("+".join(pair) for pair in PAIRS))
    given = parser.parse_args()
    print(HEAD, flush=True)
    broken: list[str] = []
    for name in given.pairs.split(","):
        database, _, broker = name.partition("+")
        with tempfile.TemporaryDirectory(prefix="duly-pairs-") as folder, an_empty(database, Path(folder)) as url:
            outcome = run((database, broker), url, Path(folder), Plan(tasks=given.tasks, seed=given.seed))
        print(outcome.row, flush=True)
        broken += [f"{name}: {words}" for words in outcome.verdict.broken]
        broken += [f"{name}: left in the broker: {outcome.left}"] if outcome.left else []
    print("".join(f"\n{words}" for words in broken[:50]), file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
