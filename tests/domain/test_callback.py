"""A final task with a callback adds the task that tells of it: once for each end, with what a receiver needs."""

import json
from datetime import timedelta

import pytest

from duly.domain import fact as facts
from duly.domain.callback import CALLBACK_RETRY
from duly.domain.state import Reason, State
from duly.domain.transition import decide
from tests.support.builders import NOON, a_failure, a_running_task, a_task

URL = "https://receiver.example/done?of=é"


def ended(task, fact, now=NOON):
    change = decide(task, fact, now)
    (delivery,) = change.adds
    return change.after, delivery


def told(delivery):
    return json.loads(delivery.payload)["event"]


def test_a_delivery_is_a_pending_task_of_dulys_own():
    task = a_running_task(callback_url=URL, request_id="r-1", traceparent="00-1", priority=9, key="k")

    _, delivery = ended(task, facts.Returned(task.claim, '{"n": 1}'))

    assert (delivery.type, delivery.queue, delivery.state) == ("duly.callback", "duly.system", State.PENDING)
    assert (delivery.run_at, delivery.created_at, delivery.version) == (NOON, NOON, 1)
    assert (delivery.priority, delivery.key, delivery.callback_url) == (5, None, None)
    assert (delivery.request_id, delivery.traceparent) == ("r-1", "00-1")
    assert delivery.tags == (str(task.id),)
    assert json.loads(delivery.payload)["url"] == URL
    assert delivery.payload.isascii()


@pytest.mark.standard("Standard Webhooks", "1.1", "The payload is JSON with `type`, `timestamp` and `data`.")
def test_the_event_tells_how_the_task_ended():
    task = a_running_task(callback_url=URL, tags=("a",), key="k")

    _, delivery = ended(task, facts.Returned(task.claim, '{"big": 123456789012345678901234567890}'))

    assert told(delivery) == {
        "type": "task.completed",
        "timestamp": "2026-06-01T12:00:00.123456Z",
        "data": {
            "id": str(task.id),
            "type": "text.reverse",
            "queue": "default",
            "state": "completed",
            "reason": None,
            "error": None,
            "attempt": 1,
            "failures": 0,
            "created_at": "2026-06-01T12:00:00.123456Z",
            "started_at": "2026-06-01T12:00:00.123456Z",
            "finished_at": "2026-06-01T12:00:00.123456Z",
            "key": "k",
            "tags": ["a"],
            "version": 3,
            "result": {"big": 123456789012345678901234567890},
        },
    }


ENDS = {
    "returned": (a_running_task(), lambda token: facts.Returned(token, "1")),
    "raised": (a_running_task(), lambda token: facts.Raised(token, a_failure(), None)),
    "unstorable": (a_running_task(), lambda token: facts.Unstorable(token, a_failure(), Reason.RESULT_INVALID)),
    "died": (a_running_task(crashes=2), lambda token: facts.ProcessDied(token, a_failure(), timedelta())),
    "vanished": (a_running_task(crashes=9, lease_until=NOON), lambda _: facts.LeaseExpired(timedelta())),
    "stopped": (a_running_task(cancelling=True), facts.Stopped),
    "vanished while it was to stop": (
        a_running_task(cancelling=True, lease_until=NOON),
        lambda _: facts.LeaseExpired(timedelta()),
    ),
    "expired": (a_task(expires_at=NOON), lambda _: facts.Expired()),
    "cancelled": (a_task(), lambda _: facts.CancelAsked()),
}


@pytest.mark.standard("Standard Webhooks", "3.1", "Event types are hierarchical and delimited by full stops.")
@pytest.mark.parametrize(
    ("end", "type_", "reason"),
    [
        ("returned", "task.completed", None),
        ("raised", "task.failed", "handler_error"),
        ("unstorable", "task.failed", "result_invalid"),
        ("died", "task.failed", "poison"),
        ("vanished", "task.failed", "poison"),
        ("stopped", "task.cancelled", "cancelled"),
        ("vanished while it was to stop", "task.cancelled", "cancelled"),
        ("expired", "task.failed", "expired"),
        ("cancelled", "task.cancelled", "cancelled"),
    ],
)
def test_whatever_ends_a_task_is_told(end, type_, reason):
    task, fact = ENDS[end]

    after, delivery = ended(task._replace(callback_url=URL), fact(task.token))

    assert told(delivery)["type"] == type_
    assert told(delivery)["data"]["reason"] == reason
    assert told(delivery)["data"]["version"] == after.version


@pytest.mark.parametrize(
    "fact",
    [
        lambda token: facts.Raised(token, a_failure(), timedelta(seconds=1)),
        lambda token: facts.Snoozed(token, timedelta(seconds=1)),
        facts.Interrupted,
        lambda _: facts.CancelAsked(),
    ],
)
def test_what_does_not_end_a_task_is_not_told(fact):
    task = a_running_task(callback_url=URL)

    assert decide(task, fact(task.claim), NOON).adds == ()


def test_a_task_without_a_callback_adds_nothing():
    task = a_running_task()

    assert decide(task, facts.Returned(task.claim, "1"), NOON).adds == ()


@pytest.mark.mistake(48)
def test_a_traceback_is_not_told():
    task = a_running_task(callback_url=URL)

    _, delivery = ended(task, facts.Raised(task.claim, a_failure(traceback="File secret.py"), None))

    assert told(delivery)["data"]["error"] == {
        "type": "ValueError",
        "message": "no such thing",
        "attempt": 1,
        "at": "2026-06-01T12:00:00.123456Z",
        "retryable": False,
    }
    assert "secret" not in delivery.payload


@pytest.mark.standard("Standard Webhooks", "1.3", "Payloads are kept below 20 kB; what is larger is asked for.")
def test_a_large_result_is_left_out_to_be_asked_for():
    task = a_running_task(callback_url=URL)

    _, small = ended(task, facts.Returned(task.claim, f'"{"x" * 16_382}"'))
    _, large = ended(task, facts.Returned(task.claim, f'"{"x" * 16_383}"'))

    assert told(small)["data"]["result"] == "x" * 16_382
    assert "result" not in told(large)["data"]
    assert len(small.payload) < 20_000


def test_the_same_end_decided_twice_gives_the_same_delivery():
    task = a_running_task(callback_url=URL)
    fact = facts.Returned(task.claim, "1")

    assert ended(task, fact) == ended(task, fact)


def test_a_task_that_is_retried_by_hand_and_ends_again_is_told_again():
    task = a_running_task(callback_url=URL)
    once, first = ended(task, facts.Returned(task.claim, "1"))
    again = decide(once, facts.RetriedByHand(), NOON).after
    _, second = ended(again, facts.CancelAsked())

    assert first.id != second.id
    assert [told(one)["data"]["version"] for one in (first, second)] == [3, 5]
    assert first.id.version == second.id.version == 7


@pytest.mark.standard("Standard Webhooks", "3.2", "Deliveries are retried over many hours, with exponential back-off.")
def test_deliveries_are_tried_over_many_hours():
    waits = [CALLBACK_RETRY.wait(failures, 0.5) for failures in range(1, CALLBACK_RETRY.max_attempts)]

    assert waits[:3] == [timedelta(seconds=2.5), timedelta(seconds=10), timedelta(seconds=40)]
    assert timedelta(hours=12) < sum(waits, timedelta()) < timedelta(hours=24)


@pytest.mark.standard("Standard Webhooks", "3.2", "Retries have some random jitter.")
def test_deliveries_that_failed_together_are_not_tried_again_together():
    assert CALLBACK_RETRY.wait(4, 0.1) != CALLBACK_RETRY.wait(4, 0.9)
