"""The story of a task: told in full from its row and the few events that were stored."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given

from duly.domain import fact as facts
from duly.domain.event import Kind
from duly.domain.state import State
from duly.domain.story import tell
from tests.domain.histories import Life, lives
from tests.support.builders import NOON, a_task, an_event


def _life_of_a_success() -> Life:
    life = Life(a_task())
    life.now += timedelta(seconds=1)
    life.claim()
    life.now += timedelta(seconds=1)
    life.decide(facts.Returned(life.task.token, '"olleh"'))
    return life


@given(lives())
def test_every_version_is_told_once_as_what_it_was(life):
    story = tell(life.task, life.stored)

    assert [(event.version, event.kind) for event in story] == [(v, kind) for v, kind, _ in life.truth]


@given(lives())
def test_a_story_never_goes_back_in_time(life):
    times = [event.at for event in tell(life.task, life.stored)]

    assert times == sorted(times)


@given(lives())
def test_claims_and_ends_are_told_at_their_true_time(life):
    exact = [(v, at) for v, kind, at in life.truth if kind is not Kind.DUE]

    story = tell(life.task, life.stored)

    assert [(event.version, event.at) for event in story if event.kind is not Kind.DUE] == exact


def test_a_success_is_told_from_its_row_alone():
    life = _life_of_a_success()

    story = tell(life.task, [])

    assert [(e.version, e.kind, e.attempt, e.worker) for e in story] == [
        (1, Kind.SUBMITTED, 0, None),
        (2, Kind.CLAIMED, 1, "worker-1"),
        (3, Kind.COMPLETED, 1, "worker-1"),
    ]
    assert [e.at for e in story] == [NOON, NOON + timedelta(seconds=1), NOON + timedelta(seconds=2)]


def test_a_completed_task_that_was_retried_by_hand_still_tells_its_completion():
    """It was told as due and claimed: the retry's event did not say when the attempt had started and ended."""
    life = _life_of_a_success()
    life.now += timedelta(hours=1)
    life.decide(facts.RetriedByHand())

    story = tell(life.task, life.stored)

    assert [e.kind for e in story] == [Kind.SUBMITTED, Kind.CLAIMED, Kind.COMPLETED, Kind.RETRIED]
    assert [e.at for e in story] == [NOON + timedelta(seconds=s) for s in (0, 1, 2, 3602)]


def test_a_task_that_was_run_now_is_due_when_it_was_told_so():
    life = Life(a_task())
    life.claim()
    life.decide(facts.Snoozed(life.task.token, timedelta(hours=1)))
    life.now += timedelta(minutes=1)
    life.decide(facts.RunNow())

    story = tell(life.task, life.stored)

    assert (story[-1].kind, story[-1].at) == (Kind.DUE, NOON + timedelta(minutes=1))


def test_a_refused_write_is_told_after_the_version_that_refused_it():
    life = _life_of_a_success()
    refused = an_event(life.task, Kind.WRITE_REFUSED, worker="worker-0")

    story = tell(life.task, [refused])

    assert [e.kind for e in story] == [Kind.SUBMITTED, Kind.CLAIMED, Kind.COMPLETED, Kind.WRITE_REFUSED]
    assert story[-1].worker == "worker-0"


def test_two_events_of_one_version_are_told_in_the_order_in_which_they_happened():
    life = Life(a_task())
    life.claim()
    life.decide(facts.Interrupted(life.task.token))
    second = replace(life.stored[0], kind=Kind.FAILED)

    story = tell(life.task, [*life.stored, second])

    assert [e.kind for e in story][-2:] == [Kind.PUT_BACK, Kind.FAILED]


def test_a_completion_that_stored_an_event_of_its_own_is_not_told_twice():
    life = _life_of_a_success()
    stored = an_event(life.task, Kind.COMPLETED)

    story = tell(life.task, [stored])

    assert [e.kind for e in story] == [Kind.SUBMITTED, Kind.CLAIMED, Kind.COMPLETED]


def test_events_that_are_newer_than_the_row_that_was_read_are_told_too():
    life = _life_of_a_success()
    later = an_event(life.task, Kind.RETRIED, version=4, attempt=1, detail={"from": "completed"})

    story = tell(life.task, [later])

    assert [e.version for e in story] == [1, 2, 3, 4]


def test_an_event_without_times_borrows_those_of_its_neighbours():
    life = Life(a_task())
    life.claim()
    bare = an_event(life.task, Kind.FAILED, version=3, attempt=1, at=NOON + timedelta(seconds=5))

    story = tell(life.task._replace(version=3), [bare])

    assert [(e.kind, e.at) for e in story][1] == (Kind.CLAIMED, NOON + timedelta(seconds=5))


def test_a_worker_is_named_only_by_what_a_worker_did():
    life = Life(a_task(state=State.SCHEDULED, run_at=NOON + timedelta(seconds=1)))
    life.now += timedelta(seconds=2)
    life.decide(facts.Due())
    life.claim()

    story = tell(life.task, [])

    assert [(e.kind, e.worker) for e in story] == [
        (Kind.SUBMITTED, None),
        (Kind.DUE, None),
        (Kind.CLAIMED, "worker-1"),
    ]
    assert story[1].at == NOON + timedelta(seconds=1)
