"""What happens to a task while it waits: it comes due, is run now, expires, or is cancelled."""

from datetime import timedelta

import pytest

from duly.domain import fact as facts
from duly.domain.errors import IllegalMove
from duly.domain.event import Kind
from duly.domain.state import FINAL, Reason, State
from duly.domain.transition import decide
from tests.support.builders import NOON, a_running_task, a_task

LATER = NOON + timedelta(minutes=1)
HOUR = timedelta(hours=1)


def test_a_scheduled_task_becomes_pending_when_its_time_has_come():
    task = a_task(state=State.SCHEDULED, run_at=NOON, reason=Reason.HANDLER_ERROR)

    change = decide(task, facts.Due(), NOON)

    assert change.before == task
    assert change.after == task._replace(state=State.PENDING, reason=None, version=2)
    assert change.events == ()


def test_a_task_is_not_due_before_its_time():
    task = a_task(state=State.SCHEDULED, run_at=LATER)

    with pytest.raises(IllegalMove, match="it cannot be promoted"):
        decide(task, facts.Due(), NOON)


@pytest.mark.parametrize("state", [state for state in State if state is not State.SCHEDULED])
@pytest.mark.parametrize("fact", [facts.Due(), facts.RunNow()])
def test_only_a_scheduled_task_can_come_due(fact, state):
    task = a_task(state=state)

    with pytest.raises(IllegalMove):
        decide(task, fact, NOON)


def test_a_scheduled_task_that_is_run_now_is_pending_and_due_now():
    task = a_task(state=State.SCHEDULED, run_at=LATER, reason=Reason.NO_HANDLER)

    change = decide(task, facts.RunNow(), NOON)

    assert change.after == task._replace(state=State.PENDING, reason=None, run_at=NOON, version=2)


@pytest.mark.parametrize("state", [State.SCHEDULED, State.PENDING])
def test_a_task_that_nobody_claimed_in_time_fails_as_expired(state):
    task = a_task(state=state, expires_at=NOON)

    change = decide(task, facts.Expired(), NOON)

    after = change.after
    assert (after.state, after.reason, after.finished_at, after.failures) == (State.FAILED, Reason.EXPIRED, NOON, 0)
    assert '"type": "Expired"' in after.error
    assert [(e.kind, e.version, e.detail["reason"]) for e in change.events] == [(Kind.EXPIRED, 2, "expired")]


@pytest.mark.parametrize("expires_at", [None, LATER])
def test_a_task_does_not_expire_before_its_time(expires_at):
    task = a_task(expires_at=expires_at)

    with pytest.raises(IllegalMove, match="it cannot be expired"):
        decide(task, facts.Expired(), NOON)


@pytest.mark.parametrize("state", [State.RUNNING, *sorted(FINAL)])
def test_expiry_ends_waiting_only(state):
    task = a_task(state=state, expires_at=NOON)

    with pytest.raises(IllegalMove):
        decide(task, facts.Expired(), LATER)


@pytest.mark.parametrize("state", [State.SCHEDULED, State.PENDING])
def test_a_waiting_task_is_cancelled_at_once(state):
    task = a_task(state=state)

    change = decide(task, facts.CancelAsked(), LATER)

    after = change.after
    assert (after.state, after.reason, after.finished_at) == (State.CANCELLED, Reason.CANCELLED, LATER)
    assert after.version == 2
    assert [e.kind for e in change.events] == [Kind.CANCELLED]


def test_a_running_task_is_flagged_and_its_version_raised_when_its_cancel_is_asked_for():
    task = a_running_task()

    change = decide(task, facts.CancelAsked(), LATER)

    assert change.after == task._replace(cancelling=True, version=task.version + 1)
    assert [(e.kind, e.version, e.attempt) for e in change.events] == [(Kind.CANCEL_REQUESTED, 3, 1)]


@pytest.mark.parametrize("task", [a_running_task(cancelling=True), a_task(state=State.CANCELLED)])
def test_a_second_cancel_changes_nothing(task):
    assert decide(task, facts.CancelAsked(), LATER) is None


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
@pytest.mark.mistake(22)
def test_what_has_ended_cannot_be_cancelled(state):
    with pytest.raises(IllegalMove, match=f"is {state}: it cannot be cancelled"):
        decide(a_task(state=state), facts.CancelAsked(), LATER)


def _an_ended_task(state=State.FAILED, **given):
    ended = {"finished_at": NOON + HOUR, "failures": 5, "crashes": 2, "error": '{"type": "E"}', "progress": "0.5"}
    return a_running_task()._replace(state=state, lease_until=None, **(ended | given))


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.mistake(29)
def test_a_retry_by_hand_starts_again_with_a_full_budget_and_its_history(state):
    task = _an_ended_task(state, result="1")
    again = NOON + 2 * HOUR

    change = decide(task, facts.RetriedByHand(), again)

    after = change.after
    assert (after.id, after.state, after.reason, after.run_at) == (task.id, State.PENDING, None, again)
    assert (after.failures, after.crashes, after.cancelling) == (0, 0, False)
    assert (after.result, after.error, after.started_at, after.finished_at) == (None, None, None, None)
    assert (after.attempt, after.version, after.token) == (task.attempt, task.version + 1, task.token)
    assert [(e.kind, e.detail["from"]) for e in change.events] == [(Kind.RETRIED, state.value)]


def test_a_retry_by_hand_forgets_progress_visibly():
    task = _an_ended_task(progress_seq=4)

    after = decide(task, facts.RetriedByHand(), LATER).after

    assert (after.progress, after.progress_seq) == (None, 5)


def test_a_retry_by_hand_may_bring_another_payload():
    task = _an_ended_task()

    assert decide(task, facts.RetriedByHand('{"text": "bye"}'), LATER).after.payload == '{"text": "bye"}'
    assert decide(task, facts.RetriedByHand(), LATER).after.payload == task.payload


def test_a_scheduled_task_may_be_retried_by_hand():
    task = a_task(state=State.SCHEDULED, run_at=NOON + HOUR, reason=Reason.HANDLER_ERROR, failures=3)

    after = decide(task, facts.RetriedByHand(), NOON).after

    assert (after.state, after.run_at, after.failures) == (State.PENDING, NOON, 0)


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
def test_a_task_that_will_run_or_runs_cannot_be_retried_by_hand(state):
    with pytest.raises(IllegalMove, match="it cannot be retried"):
        decide(a_task(state=state), facts.RetriedByHand(), LATER)


@pytest.mark.parametrize(
    ("expires_at", "kept"), [(NOON + HOUR, None), (NOON + 3 * HOUR, NOON + 3 * HOUR), (None, None)]
)
def test_a_retry_by_hand_drops_an_expiry_that_has_passed_and_keeps_one_that_has_not(expires_at, kept):
    task = _an_ended_task(expires_at=expires_at)

    assert decide(task, facts.RetriedByHand(), NOON + 2 * HOUR).after.expires_at == kept
