"""Tasks that are made without the constructor are what it would have made."""

from datetime import timedelta

from duly.domain.fact import Returned
from duly.domain.making import UNENDED, UNTRIED, is_new, is_ready, of
from duly.domain.state import Reason, State
from duly.domain.task import Task
from duly.domain.transition import decide
from tests.support.builders import LEASE, NOON, WORKER, a_running_task, a_task, a_token

MINUTE = timedelta(minutes=1)


def test_values_in_order_are_the_task_that_its_constructor_makes():
    task = a_running_task(tags=("a",))

    assert of(tuple(task)) == task
    assert type(of(tuple(task))) is Task


def test_a_completion_changes_what_it_says_and_nothing_else():
    task = a_running_task(
        reason=Reason.HANDLER_ERROR, error='{"type": "ValueError"}', progress="0.5", progress_seq=3, failures=1,
        tags=("a",), key="k", request_id="r",
    )  # fmt: skip

    change = decide(task, Returned(task.claim, "7"), NOON + MINUTE)

    assert change is not None
    assert change.after == task._replace(
        state=State.COMPLETED, reason=None, version=task.version + 1, result="7", error=None, cancelling=False,
        lease_until=None, finished_at=NOON + MINUTE,
    )  # fmt: skip


def test_a_task_is_new_while_nothing_has_happened_to_it():
    task = a_task(state=State.SCHEDULED, key="k", tags=("a",), expires_at=NOON)
    happened = {
        "attempt": 1, "failures": 1, "crashes": 1, "progress_seq": 1, "progress": "0.5", "token": a_token(),
        "worker": WORKER, "started_at": NOON, "reason": Reason.SNOOZED, "version": 2, "result": "7", "error": "{}",
        "cancelling": True, "lease_until": NOON + LEASE, "finished_at": NOON,
    }  # fmt: skip

    assert is_new(task)
    assert not any(is_new(task._replace(**{name: value})) for name, value in happened.items())
    assert len(happened) == len(UNTRIED) + len(UNENDED)
    assert is_ready(task._replace(state=State.PENDING))
    assert not is_ready(task)
    assert not any(is_ready(task._replace(state=State.PENDING, **{name: value})) for name, value in happened.items())
