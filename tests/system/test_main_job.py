"""The main job under fire, as `benchmarks/under_fire.py` runs it: nothing lost, nothing settled twice."""

from pathlib import Path

import pytest
from benchmarks.under_fire import DATABASES, Plan, an_empty, run

pytestmark = pytest.mark.system

IN_THE_GATE = ("mariadb",)
"""One; ``duly torture`` runs there too, on another one, and ten thousand tasks on all (``make full``)."""


@pytest.mark.mistake(11)
@pytest.mark.mistake(30)
@pytest.mark.mistake(50)
@pytest.mark.timeout(900)
@pytest.mark.parametrize("database", IN_THE_GATE)
def test_two_hundred_tasks_survive_the_killing_of_their_workers(database: str, tmp_path: Path):
    under_fire(database, tmp_path, Plan(tasks=200, patience=800))


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("database", DATABASES)
def test_ten_thousand_tasks_survive_the_killing_of_their_workers(database: str, tmp_path: Path):
    under_fire(database, tmp_path, Plan(tasks=10_000, patience=3500))


def under_fire(database: str, folder: Path, plan: Plan) -> None:
    with an_empty(database, folder) as url:
        outcome = run(database, url, folder, plan)

    assert outcome.verdict.broken == ()
    assert outcome.kills > 0
    assert outcome.verdict.rerun > 0
