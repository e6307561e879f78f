"""The stateful model of many workers, against every store."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contracts.life_model import LifeModel

EXAMPLES = {"memory": 60, "sqlite": 12, "postgresql": 8, "mysql": 8}
"""Memory runs many; each of a database's takes half a second."""


@pytest.mark.mistake(22)
@pytest.mark.mistake(23)
def test_on_no_path_does_a_task_lose_its_history_or_its_claim(home):
    _live(home, EXAMPLES[home.kind])


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_on_none_of_many_more_paths_does_a_task_lose_its_history_or_its_claim(home):
    _live(home, 25 * EXAMPLES[home.kind])


def _live(home, examples):
    run_state_machine_as_test(
        lambda: LifeModel(home),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
