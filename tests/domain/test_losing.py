"""Claims that are lost: crashes, expired leases, and settles that come too late."""

import json
from datetime import timedelta

import pytest

from duly.domain import fact as facts
from duly.domain.errors import ClaimLost, IllegalMove
from duly.domain.event import Kind
from duly.domain.state import Reason, State
from duly.domain.transition import MAX_UNSEEN_CRASHES, decide
from tests.domain.settling import END, WAIT, worker_facts
from tests.support.builders import LEASE, NOON, WORKER, a_failure, a_running_task, a_task, a_token


def test_a_first_lost_lease_makes_the_task_pending_at_once():
    task = a_running_task(failures=2)

    change = decide(task, facts.LeaseExpired(WAIT), NOON + LEASE)

    after = change.after
    assert (after.state, after.reason, after.run_at) == (State.PENDING, Reason.WORKER_LOST, NOON)
    assert (after.crashes, after.failures) == (1, 2)
    assert [(e.kind, e.worker) for e in change.events] == [(Kind.LEASE_LOST, WORKER)]


def test_further_lost_leases_wait():
    task = a_running_task(crashes=1)

    after = decide(task, facts.LeaseExpired(WAIT), NOON + LEASE).after

    assert (after.state, after.crashes, after.run_at) == (State.SCHEDULED, 2, NOON + LEASE + WAIT)


def test_a_further_lost_lease_without_a_wait_is_pending_at_once():
    task = a_running_task(crashes=1)

    assert decide(task, facts.LeaseExpired(timedelta()), NOON + LEASE).after.state is State.PENDING


@pytest.mark.mistake(26)
def test_the_third_crash_that_a_worker_saw_is_poison():
    task = a_running_task(crashes=2)

    change = decide(task, facts.ProcessDied(task.token, a_failure("ProcessDied", "killed"), WAIT), END)

    after = change.after
    assert (after.state, after.reason, after.crashes) == (State.FAILED, Reason.POISON, 3)
    assert json.loads(after.error)["type"] == "ProcessDied"
    assert [e.kind for e in change.events] == [Kind.FAILED]


def test_an_earlier_crash_that_a_worker_saw_is_tried_again():
    task = a_running_task(crashes=1)

    after = decide(task, facts.ProcessDied(task.token, a_failure(), WAIT), END).after

    assert (after.state, after.reason, after.crashes) == (State.SCHEDULED, Reason.WORKER_LOST, 2)


@pytest.mark.parametrize(("crashes", "alone"), [(0, False), (1, False), (2, True), (5, True)])
def test_a_task_runs_alone_before_its_last_try(crashes, alone):
    assert a_task(crashes=crashes).alone is alone


def test_a_task_that_runs_alone_is_innocent_when_the_whole_worker_vanishes_until_it_has_happened_too_often():
    task = a_running_task(crashes=2)
    last = a_running_task(crashes=MAX_UNSEEN_CRASHES - 1)

    assert decide(task, facts.LeaseExpired(WAIT), NOON + LEASE).after.state is State.SCHEDULED
    assert decide(last, facts.LeaseExpired(WAIT), NOON + LEASE).after.reason is Reason.POISON


def test_a_lease_that_still_holds_is_not_taken():
    task = a_running_task(lease_until=END + timedelta(microseconds=1))

    with pytest.raises(IllegalMove, match="it cannot be taken from its worker"):
        decide(task, facts.LeaseExpired(WAIT), END)


def test_only_a_change_that_judged_the_lease_is_fenced_by_it():
    task = a_running_task(crashes=2)

    for doomed in (task, task._replace(cancelling=True), task._replace(crashes=MAX_UNSEEN_CRASHES - 1)):
        assert decide(doomed, facts.LeaseExpired(WAIT), NOON + LEASE).judges_lease
    for fact in worker_facts(task.token):
        assert not decide(task, fact, END).judges_lease


@pytest.mark.parametrize("task", [a_task(), a_task(state=State.COMPLETED), a_running_task(lease_until=None)])
def test_only_a_running_task_has_a_lease_to_lose(task):
    with pytest.raises(IllegalMove):
        decide(task, facts.LeaseExpired(WAIT), END)


@pytest.mark.parametrize("index", range(9))
@pytest.mark.mistake(23)
def test_a_worker_that_lost_its_claim_settles_nothing(index):
    task = a_running_task()
    elsewhere = task._replace(state=State.COMPLETED)

    with pytest.raises(ClaimLost):
        decide(task, worker_facts(a_token())[index], END)
    with pytest.raises(ClaimLost):
        decide(elsewhere, worker_facts(task.token)[index], END)


def test_an_expired_lease_that_nobody_swept_may_still_be_settled():
    task = a_running_task(lease_until=NOON)

    assert decide(task, facts.Returned(task.token, "1"), END).after.state is State.COMPLETED


def test_a_repeated_settle_knows_its_own_work():
    task = a_running_task()
    change = decide(task, facts.Returned(task.token, "1"), END)

    assert change.made(change.after)
    assert change.made(change.after._replace(progress_seq=9))


@pytest.mark.parametrize(
    "other",
    [{"token": a_token()}, {"version": 9}, {"state": State.FAILED}, {"result": "2"}, {"error": "{}"}, {"crashes": 1}],
)
def test_another_outcome_is_not_taken_for_our_own(other):
    task = a_running_task()
    change = decide(task, facts.Returned(task.token, "1"), END)

    assert not change.made(change.after._replace(**other))
