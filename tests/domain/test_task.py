"""What a task says of itself."""

from datetime import timedelta

import pytest

from duly.domain.errors import ClaimLost
from duly.domain.state import FINAL, State
from tests.support.builders import LEASE, NOON, a_running_task, a_task

SOON, LATER = NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)


@pytest.mark.parametrize("state", State)
def test_a_task_is_final_when_only_a_hand_can_move_it(state):
    assert a_task(state=state).final == (state in {State.COMPLETED, State.FAILED, State.CANCELLED})


def test_the_validator_changes_with_every_change_that_a_reader_can_see():
    assert a_task(version=3, progress_seq=7).validator == "3.7"


def test_a_running_task_wakes_when_its_lease_ends():
    assert a_running_task(expires_at=SOON).wake_at == NOON + LEASE


@pytest.mark.parametrize(("expires_at", "wake_at"), [(None, SOON), (NOON, NOON), (LATER, SOON)])
def test_a_scheduled_task_wakes_when_it_is_due_or_expires(expires_at, wake_at):
    assert a_task(state=State.SCHEDULED, run_at=SOON, expires_at=expires_at).wake_at == wake_at


@pytest.mark.parametrize("expires_at", [None, SOON])
def test_a_pending_task_wakes_when_it_expires(expires_at):
    assert a_task(expires_at=expires_at).wake_at == expires_at


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_task_sleeps_for_ever(state):
    assert a_task(state=state, expires_at=SOON).wake_at is None


def test_a_claim_is_known_by_its_token():
    task = a_running_task()

    assert task.claim == task.token


def test_a_task_that_was_never_claimed_has_no_claim():
    with pytest.raises(ClaimLost):
        _ = a_task().claim
