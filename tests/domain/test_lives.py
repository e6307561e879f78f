"""What holds on every path through a task's life."""

import json
from itertools import pairwise

from hypothesis import given

from duly.domain.event import Kind
from duly.domain.state import State
from tests.domain.histories import lives


@given(lives())
def test_the_version_counts_every_change_and_never_falls(life):
    assert [task.version for task in life.tasks] == list(range(1, len(life.tasks) + 1))


@given(lives())
def test_the_attempt_and_the_progress_never_fall(life):
    for before, after in pairwise(life.tasks):
        assert after.attempt >= before.attempt
        assert after.progress_seq >= before.progress_seq


@given(lives())
def test_a_final_state_is_left_by_a_hand_only(life):
    by_hand = {version for version, kind, _ in life.truth if kind is Kind.RETRIED}

    for before, after in pairwise(life.tasks):
        assert not before.final or after.version in by_hand


@given(lives())
def test_a_lease_belongs_to_a_running_task_and_an_end_to_a_final_one(life):
    for task in life.tasks:
        assert (task.lease_until is not None) == (task.state is State.RUNNING)
        assert (task.finished_at is not None) == task.final
        assert not task.cancelling or task.state is State.RUNNING


@given(lives())
def test_every_task_that_is_not_final_or_ready_wakes_by_itself(life):
    for task in life.tasks:
        asleep = task.final or (task.state is State.PENDING and task.expires_at is None)
        assert (task.wake_at is None) == asleep


@given(lives())
def test_failures_stay_within_the_budget_unless_a_hand_starts_again(life):
    assert all(task.failures <= task.max_attempts for task in life.tasks)


@given(lives())
def test_each_end_of_a_task_with_a_callback_adds_one_delivery_and_nothing_else_adds_any(life):
    ends = [task.version for before, task in pairwise(life.tasks) if task.final and not before.final]

    told = [json.loads(task.payload)["event"]["data"]["version"] for task in life.added]
    assert told == (ends if life.task.callback_url else [])
    assert len({task.id for task in life.added}) == len(life.added)
