"""Somebody's forgotten transaction: what a snapshot held for minutes does to the rate, and what it leaves behind."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import psycopg
from benchmarks.harness import tally
from benchmarks.harness.crews import Crew
from benchmarks.harness.places import vacuumed_postgresql
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.scenarios.drain import BOTH, SLOTS, WORKER

BEFORE, HELD, AFTER = 180, 300, 240
"""In seconds. Before, there is time for autovacuum, which begins after a minute, and for the kernel to write back what
the tables gain: a server that has just begun has neither, and nothing after it would be as fast. Afterwards, autovacuum
begins within a minute and takes another for what the snapshot has left behind."""

COUNTED = 120
"""Of each part the last two minutes: before, that is without start-up; under the snapshot, it is the worst. Autovacuum
comes once a minute and makes that minute uneven, so only whole ones compare."""

CONTROL = "duly, nobody holds one"
"""The same load for as long: what the tables' growth costs by itself."""

CREW = Crew(module="benchmarks.ours.together", place=vacuumed_postgresql, work=(*WORKER, "--processes", "1"))


def measured(between: Callable[[str], AbstractContextManager[None]], run: Run) -> Figures:
    """One process submits all the time, one worker runs; what is given is there in the middle part."""
    before, held, after = (run.size(seconds, 6) for seconds in (BEFORE, HELD, AFTER))
    with CREW.at(run.folder) as env:
        CREW.say(env, "prepare")
        with CREW.working(env, run.folder):
            with pumping(CREW, env, before + held + after + 10) as submitted:
                _until_called(env)
                rates = {"before tasks/s": _rate(env, before)}
                with between(env["BENCH_URL"]):
                    rates["held tasks/s"] = _rate(env, held)
                rates["after tasks/s"] = _rate(env, after)
            seen = CREW.say(env, "watch", *submitted, 1)
    if [seen["stored"]] != submitted:
        raise RuntimeError(f"{seen['stored']} outcomes of {submitted}")
    return rates


@contextmanager
def pumping(crew: Crew, env, seconds: int) -> Iterator[list[int]]:
    """Meanwhile tasks are submitted: at the end, how many."""
    submitted: list[int] = []
    thread = threading.Thread(target=lambda: submitted.append(crew.say(env, "pump", seconds)))
    thread.start()
    try:
        yield submitted
    finally:
        thread.join()


@contextmanager
def a_snapshot(url: str) -> Iterator[None]:
    """A transaction that has read something, and is forgotten."""
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT count(*) FROM duly_queues")
        yield


def _rate(env, seconds: int) -> float:
    """Handler calls a second, in the end of so many seconds."""
    counted = min(COUNTED, seconds * 2 / 3)
    time.sleep(seconds - counted)
    first, begun = _called(env), time.monotonic()
    time.sleep(counted)
    return (_called(env) - first) / (time.monotonic() - begun)


def _until_called(env) -> None:
    while not _called(env):
        time.sleep(0.1)


def _called(env) -> int:
    return sum(tally.counts(env[tally.FOLDER]))


def _contestant(name: str, between: Callable[[str], AbstractContextManager[None]]) -> Contestant:
    how = f"256 submitters in one process, one `duly worker --slots {SLOTS}`, PostgreSQL with autovacuum, log off"
    return Contestant(name=name, how=how, keeps=BOTH, measure=partial(measured, between))


SCENARIO = Scenario(
    name="snapshot",
    title="Under a held snapshot (`idle in transaction`) for 5 minutes",
    question=(
        "Handler calls a second in the last two minutes of 3 before, of 5 with the snapshot, of 4 after. The same load"
        " without one tells what millions of rows more cost by themselves."
    ),
    contestants=(_contestant("duly", a_snapshot), _contestant(CONTROL, lambda _: nullcontext())),
    goals=(
        Goal(figure="held tasks/s", of="duly", against="duly", their_figure="before tasks/s", least=0.6, stretch=0.8),
        Goal(figure="held tasks/s", of="duly", against=CONTROL),
        Goal(figure="after tasks/s", of="duly", against="duly", their_figure="before tasks/s", least=0.95),
        Goal(figure="after tasks/s", of="duly", against=CONTROL),
    ),
    rounds=1,
    minutes=26,
)
