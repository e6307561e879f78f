"""Every pair of database and broker under fire, as `benchmarks/pairs_under_fire.py` runs it."""

from pathlib import Path

import pytest
from benchmarks.pairs_under_fire import PAIRS, Outcome, Pair, Plan, run
from benchmarks.under_fire import an_empty

pytestmark = pytest.mark.system


@pytest.mark.full  # the gate has a torture of its own
@pytest.mark.mistake(1)
@pytest.mark.mistake(15)
@pytest.mark.mistake(34)
@pytest.mark.timeout(600)
@pytest.mark.parametrize("pair", [("postgresql", "rabbitmq")], ids="+".join)
def test_five_hundred_mixed_tasks_survive_what_happens_to_broker_and_workers(pair: Pair, tmp_path: Path):
    under_fire(pair, tmp_path, Plan(tasks=500, deaths=1, patience=400))


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_five_thousand_mixed_tasks_survive_what_happens_to_broker_and_workers(pair: Pair, tmp_path: Path):
    under_fire(pair, tmp_path, Plan(tasks=5_000))


def under_fire(pair: Pair, folder: Path, plan: Plan) -> None:
    with an_empty(pair[0], folder) as url:
        outcome = run(pair, url, folder, plan)

    assert outcome.verdict.broken == ()
    assert outcome.left == ""
    assert sum(outcome.verdict.states.values()) == plan.tasks
    assert_fired(outcome)


def assert_fired(outcome: Outcome) -> None:
    """Nothing is shown by troubles that did not happen."""
    fire = outcome.fire
    assert fire.kills > 0
    assert outcome.verdict.crashes > 0
    assert fire.found_without > 0 or not fire.crew.looks
    assert not fire.broker.env or fire.purged > 0
