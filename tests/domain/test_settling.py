"""How a claim ends: completed, failed, put back, cancelled, or lost."""

import json

import pytest

from duly.domain import fact as facts
from duly.domain.event import Kind
from duly.domain.state import Reason, State
from duly.domain.transition import claimed, decide
from tests.domain.settling import END, WAIT, worker_facts
from tests.support.builders import LEASE, NOON, WORKER, a_failure, a_running_task, a_task, a_token


def test_a_claim_raises_attempt_and_version_and_starts_a_lease():
    task, token = a_task(attempt=4, version=9, reason=Reason.WORKER_LOST), a_token()

    after = claimed(task, token, WORKER, NOON, LEASE)

    assert after == task._replace(
        state=State.RUNNING,
        reason=None,
        attempt=5,
        version=10,
        token=token,
        worker=WORKER,
        lease_until=NOON + LEASE,
        started_at=NOON,
    )


def test_a_claim_forgets_the_progress_of_the_last_attempt_visibly():
    after = claimed(a_task(progress="0.5", progress_seq=3), a_token(), WORKER, NOON, LEASE)

    assert (after.progress, after.progress_seq) == (None, 4)


def test_a_handler_that_returns_completes_its_task():
    task = a_running_task()

    change = decide(task, facts.Returned(task.token, '"olleh"'), END)

    after = change.after
    assert (after.state, after.reason, after.result, after.finished_at) == (State.COMPLETED, None, '"olleh"', END)
    assert (after.version, after.lease_until, after.token) == (task.version + 1, None, task.token)
    assert change.events == ()


def test_a_handler_that_finishes_before_it_noticed_a_cancel_completes():
    task = a_running_task(cancelling=True)

    after = decide(task, facts.Returned(task.token, "1"), END).after

    assert (after.state, after.cancelling) == (State.COMPLETED, False)


def test_a_completed_task_shows_no_error_of_an_earlier_attempt():
    task = a_running_task(failures=1, error='{"type": "ValueError"}')

    after = decide(task, facts.Returned(task.token, "1"), END).after

    assert (after.error, after.failures) == (None, 1)


@pytest.mark.parametrize("reason", [Reason.HANDLER_ERROR, Reason.TIMEOUT])
def test_a_failed_attempt_is_scheduled_again_while_there_is_budget(reason):
    task = a_running_task(max_attempts=2)

    change = decide(task, facts.Raised(task.token, a_failure(), WAIT, reason), END)

    after = change.after
    assert (after.state, after.reason, after.failures, after.run_at) == (State.SCHEDULED, reason, 1, END + WAIT)
    assert (json.loads(after.error)["retryable"], after.finished_at) == (True, None)
    (event,) = change.events
    assert event.kind is Kind.RETRY_SCHEDULED
    assert event.detail == {
        "reason": reason.value,
        "error_type": "ValueError",
        "message": "no such thing",
        "run_at": "2026-06-01T12:00:17.123456Z",
        "started_at": "2026-06-01T12:00:00.123456Z",
    }


@pytest.mark.mistake(26)
def test_a_failed_attempt_fails_the_task_when_its_budget_is_spent():
    task = a_running_task(max_attempts=3, failures=2)

    change = decide(task, facts.Raised(task.token, a_failure(), WAIT), END)

    after = change.after
    assert (after.state, after.reason, after.failures) == (State.FAILED, Reason.HANDLER_ERROR, 3)
    assert after.finished_at == END
    assert json.loads(after.error) == {
        "type": "ValueError",
        "message": "no such thing",
        "traceback": None,
        "attempt": 1,
        "at": "2026-06-01T12:00:10.123456Z",
        "retryable": False,
    }
    assert change.before == task
    assert [e.kind for e in change.events] == [Kind.FAILED]


@pytest.mark.mistake(28)
def test_an_error_that_is_not_retryable_fails_the_task_at_once():
    task = a_running_task(max_attempts=5)

    after = decide(task, facts.Raised(task.token, a_failure(), None), END).after

    assert (after.state, after.failures) == (State.FAILED, 1)


def test_the_budget_is_judged_by_failures_and_never_by_the_attempt():
    task = a_running_task(attempt=1_000, max_attempts=2)

    assert decide(task, facts.Raised(task.token, a_failure(), WAIT), END).after.state is State.SCHEDULED


def test_a_snooze_costs_nothing():
    task = a_running_task(failures=1, crashes=1)

    change = decide(task, facts.Snoozed(task.token, WAIT), END)

    after = change.after
    assert (after.state, after.reason, after.run_at) == (State.SCHEDULED, Reason.SNOOZED, END + WAIT)
    assert (after.failures, after.crashes) == (1, 1)
    assert [e.kind for e in change.events] == [Kind.PUT_BACK]


def test_a_snooze_never_reuses_a_fence():
    task = a_running_task(attempt=7)

    after = decide(task, facts.Snoozed(task.token, WAIT), END).after

    assert (after.attempt, after.version, after.token) == (7, task.version + 1, task.token)


def test_a_task_that_a_stopping_worker_puts_back_is_pending_again_and_keeps_its_place():
    task = a_running_task(failures=1)

    change = decide(task, facts.Interrupted(task.token), END)

    after = change.after
    assert (after.state, after.reason, after.run_at) == (State.PENDING, Reason.INTERRUPTED, NOON)
    assert (after.failures, after.crashes, after.attempt) == (1, 0, 1)
    assert [e.kind for e in change.events] == [Kind.PUT_BACK]


def test_a_task_of_an_unknown_type_waits_and_is_charged_nothing():
    task = a_running_task()

    after = decide(task, facts.Unhandled(task.token, WAIT), END).after

    assert (after.state, after.reason, after.run_at) == (State.SCHEDULED, Reason.NO_HANDLER, END + WAIT)
    assert (after.failures, after.crashes) == (0, 0)


@pytest.mark.parametrize("reason", [Reason.RESULT_INVALID, Reason.RESULT_TOO_LARGE])
@pytest.mark.mistake(21)
def test_a_result_that_cannot_be_stored_fails_the_task_once(reason):
    task = a_running_task(max_attempts=5)

    change = decide(task, facts.Unstorable(task.token, a_failure(), reason), END)

    assert (change.after.state, change.after.reason, change.after.failures) == (State.FAILED, reason, 0)
    assert [e.kind for e in change.events] == [Kind.FAILED]


@pytest.mark.parametrize("index", range(1, 9))
def test_a_task_whose_cancel_was_asked_for_is_cancelled_when_it_ends_in_any_way_but_success(index):
    task = a_running_task(cancelling=True)
    fact = worker_facts(task.token)[index]

    change = decide(task, fact, END)

    after = change.after
    assert (after.state, after.reason, after.cancelling) == (State.CANCELLED, Reason.CANCELLED, False)
    assert (after.failures, after.crashes, after.finished_at) == (0, 0, END)
    assert [e.kind for e in change.events] == [Kind.CANCELLED]


def test_a_task_whose_cancel_was_asked_for_is_cancelled_when_its_lease_runs_out():
    task = a_running_task(cancelling=True)

    assert decide(task, facts.LeaseExpired(WAIT), NOON + LEASE).after.state is State.CANCELLED


def test_a_handler_that_stopped_is_cancelled():
    task = a_running_task()

    assert decide(task, facts.Stopped(task.token), END).after.state is State.CANCELLED
