"""Measures everybody in turns, A B A B, and keeps what was measured so far."""

import shutil
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from benchmarks.harness import machine, results
from benchmarks.harness.figures import summary
from benchmarks.harness.plan import Contestant, Figures, Goal, Run, Scenario
from benchmarks.harness.processes import ROOT
from benchmarks.harness.venvs import versions_of

PLACES = ROOT / ".bench" / "places"
"""Databases in files stand here: on the disk of the checkout, not in a temporary folder that may be memory."""

FAILURES = (Exception, pytest.fail.Exception, pytest.skip.Exception)
"""A peer may fail in any way, and a server that does not start is told as tests are told."""


@dataclass(slots=True)
class Measured:
    """What the rounds gave so far."""

    runs: dict[str, list[Figures]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def run(scenario: Scenario, rounds: int, scale: float, folder: Path, only: Sequence[str] = ()) -> Measured:
    """All rounds for which there is time; the result is written after each."""
    facts = _facts(scenario, scale) | {"rounds wanted": rounds}
    measured, begun = Measured(), time.monotonic()
    contestants = [one for one in scenario.contestants if not only or one.name in only]
    for number in range(rounds):
        for one in contestants:
            _measure(one, Run(Path(), scale, number), measured)
        minutes = (time.monotonic() - begun) / 60
        results.write(folder, _result(scenario, facts | {"minutes": round(minutes, 1)}, measured))
        if number + 1 < rounds and minutes * (number + 2) / (number + 1) > scenario.minutes:
            print(f"  no time for another round: {scenario.minutes:g} minutes are given", flush=True)
            break
    return measured


def _facts(scenario: Scenario, scale: float) -> dict[str, Any]:
    venvs = dict.fromkeys(venv for one in scenario.contestants for venv in one.venvs)
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "question": scenario.question,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine.commit(),
        "scale": scale,
        "machine": machine.machine(),
        "busy before": machine.load(),
        "versions": machine.versions(),
        "peers": {venv: versions_of(venv) for venv in venvs},
        "servers": machine.servers(scenario.needs),
    }


def _measure(one: Contestant, plan: Run, measured: Measured) -> None:
    """One that fails is told, and does not keep the others from being measured."""
    PLACES.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=PLACES))
    begun = time.monotonic()
    try:
        figures = one.measure(Run(folder, plan.scale, plan.round))
    except FAILURES as error:
        measured.failures[one.name] = f"{type(error).__name__}: {error}"
        print(f"  {one.name}: failed; see {folder}\n{traceback.format_exc()}", flush=True)
        return
    except BaseException:  # we are told to end: then nothing is left behind
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    measured.runs.setdefault(one.name, []).append(figures)
    told = ", ".join(f"{name} {value:,.2f}" for name, value in figures.items())
    print(f"  round {plan.round + 1}, {one.name}: {told} ({time.monotonic() - begun:.0f} s)", flush=True)


def _result(scenario: Scenario, facts: Mapping[str, Any], measured: Measured) -> dict[str, Any]:
    figures = {name: summary(runs) for name, runs in measured.runs.items()}
    medians = {name: {figure: one["median"] for figure, one in each.items()} for name, each in figures.items()}
    return {
        **facts,
        "rounds": max(map(len, measured.runs.values()), default=0),
        "contestants": {
            one.name: {"how": one.how, "keeps": one.keeps, "figures": figures.get(one.name, {})}
            for one in scenario.contestants
        },
        "failures": measured.failures,
        "goals": [_answered(goal, medians) for goal in scenario.goals],
    }


def _answered(goal: Goal, medians: Mapping[str, Figures]) -> dict[str, Any]:
    value = goal.measured(medians)
    return {
        "what": goal.what,
        "figure": goal.figure,
        "of": goal.of,
        "against": goal.against,
        "least": goal.least,
        "most": goal.most,
        "stretch": goal.stretch,
        "measured": value,
        "met": goal.met(value) if value is not None and goal.bounded else None,
        "stretch met": None if value is None or goal.stretch is None else goal.met(value, goal.stretch),
    }
