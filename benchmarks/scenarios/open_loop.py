"""Open loop: 1,000 tasks a second through HTTP, whether or not the ones before are done."""

import statistics
from collections.abc import Sequence

import uvloop
from benchmarks.harness.load import Steady, burst, post
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.scenarios.services import DULY

RATE = 1_000
SECONDS = 300
FOLLOW = 10
WIDTH = 64
FIRST = 100
WARM = 5
"""Seconds at the beginning that do not count."""


def measured(run: Run) -> Figures:
    """One API process, two worker processes; every tenth task is waited for by a reader."""
    crew, seconds = DULY.crew, run.size(SECONDS, 5) + WARM
    times = [number / RATE for number in range(seconds * RATE)]
    with crew.at(run.folder) as env:
        crew.say(env, "prepare")
        with DULY.serving(env, run.folder, 1) as api, crew.working(env, run.folder):
            request = post(api.url, DULY.path, DULY.body)
            uvloop.run(burst(api.url, request, FIRST, WIDTH))
            crew.say(env, "watch", FIRST, 1)  # the workers are there, once these are settled
            steady = Steady(api.url, DULY.path, request, follow=FOLLOW, width=WIDTH)
            took = uvloop.run(steady.run(times))
            crew.say(env, "watch", FIRST + len(times), 1)
        stored = crew.say(env, "stored")
    if stored != FIRST + len(times):
        raise RuntimeError(f"{stored} rows of {FIRST + len(times)}")
    return _parts("submit", took.submits, seconds) | _parts("result", took.results, seconds)


def _parts(name: str, took: Sequence[tuple[float, float]], seconds: int) -> dict[str, float]:
    """Of all, and of the first and last fifth: does it grow?"""
    fifth = (seconds - WARM) / 5
    return {
        f"{name} p50 ms": _percentile(took, WARM, seconds, 50),
        f"{name} p99 ms": _percentile(took, WARM, seconds, 99),
        f"{name} p99 ms, first fifth": _percentile(took, WARM, WARM + fifth, 99),
        f"{name} p99 ms, last fifth": _percentile(took, seconds - fifth, seconds, 99),
    }


def _percentile(took: Sequence[tuple[float, float]], begin: float, end: float, percent: int) -> float:
    chosen = [seconds for due, seconds in took if begin <= due < end]
    return statistics.quantiles(chosen, n=100, method="inclusive")[percent - 1] * 1000


SCENARIO = Scenario(
    name="open-loop",
    title="Open loop: 1,000 tasks/s through HTTP for 5 minutes",
    question="A submit every millisecond, timed from when it was due; every tenth is waited for (`Prefer: wait`).",
    contestants=(
        Contestant(
            name="duly",
            how="1 API process, `duly worker --processes 2 --slots 500`, PostgreSQL, no broker, log off",
            keeps="status and result, fsync at every commit",
            measure=measured,
        ),
    ),
    goals=(
        Goal(figure="submit p99 ms", of="duly", most=20, stretch=10),
        Goal(figure="result p99 ms", of="duly", most=60, stretch=30),
        Goal(
            figure="result p99 ms, last fifth",
            of="duly",
            against="duly",
            their_figure="result p99 ms, first fifth",
            most=1.25,
        ),
    ),
    rounds=1,
    minutes=7,
)
