"""How a client waits, as a conversation without time and network."""

from datetime import UTC, datetime, timedelta

import pytest

from duly.client.call import Call
from duly.client.waiting import Pause, until_final
from duly.domain.errors import StoreUnavailable
from duly.domain.state import State
from duly.wire.task import Task

ID = "01936b1c-6a3e-7d1b-9c3e-2f6d1c0a9b55"
AT = datetime(2026, 6, 1, tzinfo=UTC)


def a_task(state):
    return Task(
        id=ID, type="t", queue="default", state=state, reason=None, priority=5, error=None, progress=None, attempt=0,
        failures=0, max_attempts=5, run_at=AT, created_at=AT, started_at=None, finished_at=None, expires_at=None,
        key=None, tags=[], version=1, waiting=None,
    )  # fmt: skip


class Watch:
    """A clock that the test moves."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


def test_a_task_that_is_final_already_is_asked_for_once():
    talk = until_final(ID, None, Watch())

    first = next(talk)
    end = talk.send(a_task(State.COMPLETED))

    assert isinstance(first, Call)
    assert "Prefer" not in first.headers
    assert end.state is State.COMPLETED


def test_the_service_is_asked_to_wait_half_a_minute_at_a_time():
    watch = Watch()
    talk = until_final(ID, None, watch)

    next(talk)
    second = talk.send(a_task(State.PENDING))
    watch.time += 30
    third = talk.send(a_task(State.PENDING))

    assert [call.headers["Prefer"] for call in (second, third)] == ["wait=30", "wait=30"]


def test_no_request_waits_longer_than_what_is_left():
    watch = Watch()
    talk = until_final(ID, timedelta(seconds=40), watch)

    next(talk)
    talk.send(a_task(State.PENDING))
    watch.time += 30

    assert talk.send(a_task(State.PENDING)).headers["Prefer"] == "wait=10"


def test_less_than_a_second_is_not_asked_for_because_the_header_knows_whole_seconds_only():
    talk = until_final(ID, timedelta(seconds=1.9), Watch())

    next(talk)
    assert talk.send(a_task(State.PENDING)).headers["Prefer"] == "wait=1"

    talk = until_final(ID, timedelta(seconds=0.9), Watch())
    next(talk)
    assert "Prefer" not in talk.send(a_task(State.PENDING)).headers


@pytest.mark.mistake(39)
def test_a_service_that_answers_at_once_is_not_hammered():
    talk = until_final(ID, None, Watch())

    next(talk)
    talk.send(a_task(State.PENDING))

    assert talk.send(a_task(State.PENDING)) == Pause(timedelta(seconds=1))


def test_an_outage_at_the_first_request_is_raised():
    talk = until_final(ID, None, Watch())
    next(talk)

    with pytest.raises(StoreUnavailable):
        talk.throw(StoreUnavailable("away"))


def test_a_later_outage_is_waited_out_as_the_service_asked():
    watch = Watch()
    talk = until_final(ID, None, watch)
    next(talk)
    talk.send(a_task(State.RUNNING))

    pause = talk.throw(StoreUnavailable("away", timedelta(seconds=7)))
    watch.time += 7
    next(talk)
    end = talk.send(a_task(State.FAILED))

    assert pause == Pause(timedelta(seconds=7))
    assert end.state is State.FAILED


def test_an_outage_of_over_five_minutes_is_given_up():
    watch = Watch()
    talk = until_final(ID, None, watch)
    next(talk)
    talk.send(a_task(State.RUNNING))
    watch.time += 301

    with pytest.raises(StoreUnavailable):
        talk.throw(StoreUnavailable("away"))


def test_an_outage_at_the_end_of_the_time_is_raised():
    watch = Watch()
    talk = until_final(ID, timedelta(seconds=10), watch)
    next(talk)
    talk.send(a_task(State.RUNNING))
    watch.time += 10

    with pytest.raises(StoreUnavailable):
        talk.throw(StoreUnavailable("away"))
