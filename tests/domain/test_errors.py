"""Every error that Duly raises."""

import re
from datetime import timedelta

import pytest

from duly.domain import errors
from duly.domain.errors import DulyError, Flaw
from duly.domain.event import TaskEvent
from duly.domain.query import TaskQuery
from tests.support.builders import a_task, an_event

ALL = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, DulyError)]


def test_no_two_errors_share_a_code_unless_one_is_a_kind_of_the_other():
    codes = [cls.code for cls in ALL if "code" in vars(cls)]

    assert len(set(codes)) == len(codes)


def test_every_error_is_in_the_drawn_tree():
    drawn = re.findall(r"^.*── (\w+)", errors.__doc__, re.MULTILINE)

    assert sorted(drawn) == sorted(cls.__name__ for cls in ALL if cls is not DulyError)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.UnknownType("a.b"), "No handler is registered for the type 'a.b'."),
        (errors.TaskNotFound(7), "There is no task 7."),
        (errors.QueueNotFound("media"), "There is no queue 'media'."),
        (errors.TypeNotFound("a.b"), "There is no type 'a.b'."),
        (errors.TaskPurged(7), "Task 7 was purged after its retention, or deleted."),
        (errors.IllegalMove(7, "running", "retried"), "Task 7 is running: it cannot be retried."),
        (errors.NotFinished(7, "running"), "Task 7 is running: it has no result."),
        (errors.KeyTaken("a.b", "k"), "A live task of type 'a.b' already holds the key 'k'."),
        (errors.KeyInFlight("k"), "The key 'k' is held by a transaction that is still open. Try again."),
        (errors.ClaimLost(7), "The claim on task 7 is lost: its outcome is refused."),
        (errors.TaskFailed(7, "poison", {}), "Task 7 failed (poison): {}"),
        (errors.TaskCancelled(7), "Task 7 was cancelled."),
        (
            errors.SchemaOutdated(None, "2"),
            "The database is at schema none, this Duly needs 2. Run `duly migrate` first.",
        ),
    ],
)
def test_an_error_says_what_happened_in_a_sentence(error, message):
    assert str(error) == message


def test_an_invalid_request_says_where():
    assert errors.Invalid("bad", [Flaw("/a", "no")]).flaws == (Flaw("/a", "no"),)
    assert errors.UnknownType("x", "/tasks/3/type").flaws == (Flaw("/tasks/3/type", "unknown type 'x'"),)


def test_an_outage_says_when_to_try_again():
    assert errors.StoreUnavailable("away").retry_after == timedelta(seconds=2)


def test_an_event_has_details_of_its_own():
    one, other = an_event(a_task()), an_event(a_task())

    assert isinstance(one, TaskEvent)
    assert one.detail == {}
    assert one.detail is not other.detail
    assert TaskQuery().limit == 50
