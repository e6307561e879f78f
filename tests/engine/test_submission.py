"""What a submission becomes, and every way in which it does not fit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from duly.domain.errors import Flaw, Invalid, Misconfigured, TooLarge, TypeNotFound, UnknownType
from duly.domain.retry import Retry
from duly.domain.state import State
from duly.domain.task import Task
from duly.engine.handlers import Handlers, executor_of
from duly.engine.limits import Limits
from duly.engine.submission import MAX_ATTEMPTS, Submission, to_task
from tests.support.builders import NOON, a_task_id
from tests.support.serving import a_type

HOUR = timedelta(hours=1)
YEAR = timedelta(days=365)


async def reverse(text: str, times: int = 1) -> str:
    """Turn it round."""
    return text[::-1] * times


def made(limits: Limits | None = None, **given: Any) -> Task:
    handlers = Handlers()
    handlers.add(a_type("reverse", reverse, queue="text", priority=7, retry=Retry(max_attempts=3), timeout=HOUR))
    fields: dict[str, Any] = {"type": "reverse", "payload": {"text": "hello"}}
    return to_task(Submission(**(fields | given)), handlers, limits or Limits(), a_task_id(1), NOON)


def flaws(**given: Any) -> list[str]:
    with pytest.raises(Invalid) as caught:
        made(**given)
    return [flaw.pointer for flaw in caught.value.flaws]


def test_a_submission_takes_its_type_s_defaults() -> None:
    task = made()

    assert (task.queue, task.priority, task.max_attempts, task.timeout) == ("text", 7, 3, HOUR)
    assert (task.state, task.run_at, task.created_at) == (State.PENDING, NOON, NOON)
    assert task.payload == '{"text":"hello"}'


def test_what_it_says_itself_goes_before_the_defaults() -> None:
    task = made(queue="other", priority=0, max_attempts=1, timeout=timedelta(seconds=1), key="k", tags=("a", "b"))

    assert (task.queue, task.priority, task.max_attempts, task.timeout) == ("other", 0, 1, timedelta(seconds=1))
    assert (task.key, task.tags) == ("k", ("a", "b"))


def test_a_delay_schedules_it() -> None:
    task = made(delay=HOUR)

    assert (task.state, task.run_at) == (State.SCHEDULED, NOON + HOUR)


def test_times_are_kept_in_utc_whatever_their_offset_was() -> None:
    """A time with another offset was stored as it was, and shown with a Z as another time."""
    east = timezone(timedelta(hours=2))

    task = made(run_at=datetime(2026, 6, 1, 16, 0, tzinfo=east), expires_at=datetime(2026, 6, 1, 18, 0, tzinfo=east))

    assert (task.run_at, task.run_at.tzinfo) == (datetime(2026, 6, 1, 14, 0, tzinfo=UTC), UTC)
    assert task.expires_at is not None
    assert (task.expires_at.hour, task.expires_at.tzinfo) == (16, UTC)


def test_a_time_in_the_past_means_now_and_is_no_way_to_the_front() -> None:
    task = made(run_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=14))))

    assert (task.state, task.run_at) == (State.PENDING, NOON)


@pytest.mark.mistake(9)
def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(UnknownType, match="nothing"):
        made(type="nothing")


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"delay": HOUR, "run_at": NOON + HOUR}, "/run_at"),
        ({"delay": -HOUR}, "/delay"),
        ({"delay": YEAR + HOUR}, "/delay"),
        ({"priority": -1}, "/priority"),
        ({"priority": 10}, "/priority"),
        ({"max_attempts": 0}, "/max_attempts"),
        ({"max_attempts": MAX_ATTEMPTS + 1}, "/max_attempts"),
        ({"timeout": timedelta()}, "/timeout"),
        ({"timeout": YEAR + HOUR}, "/timeout"),
        ({"run_at": datetime(2026, 6, 1)}, "/run_at"),  # noqa: DTZ001
        ({"run_at": NOON + YEAR + HOUR}, "/run_at"),
        ({"expires_at": datetime(2026, 6, 2)}, "/expires_at"),  # noqa: DTZ001
        ({"expires_at": NOON + YEAR + HOUR}, "/expires_at"),
        ({"expires_at": NOON}, "/expires_at"),
        ({"queue": ""}, "/queue"),
        ({"queue": " mail"}, "/queue"),
        ({"queue": "q" * 201}, "/queue"),
        ({"key": ""}, "/key"),
        ({"key": "k" * 201}, "/key"),
        ({"key": "nul\x00"}, "/key"),
        ({"key": "\ud800"}, "/key"),
        ({"tags": ("good", "bad\n")}, "/tags/1"),
        ({"tags": tuple(f"t{n}" for n in range(21))}, "/tags"),
        ({"payload": {"text": 1}}, "/payload/text"),
        ({"payload": {"text": "x", "more": 1}}, "/payload/more"),
        ({"payload": ["text"]}, "/payload"),
        ({"payload": {"text": "\ud800"}}, "/payload"),
        ({"payload": {"text": float("nan")}}, "/payload"),
    ],
)
def test_each_flaw_is_named_by_its_place(given: dict[str, Any], pointer: str) -> None:
    assert flaws(**given) == [pointer]


def test_all_flaws_are_told_at_once() -> None:
    assert flaws(priority=99, tags=("",), payload={"times": "x"}) == [
        "/priority",
        "/tags/0",
        "/payload/text",
        "/payload/times",
    ]


@pytest.mark.mistake(5)
def test_a_payload_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge, match="1024 bytes"):
        made(Limits(max_body=1024), payload={"text": "x" * 1014})


def test_the_limit_counts_bytes_as_a_client_sends_them() -> None:
    """A character outside the basic plane counted two bytes instead of four."""
    overhead = len('{"text":""}')

    fits = made(Limits(max_body=overhead + 40), payload={"text": "\U0001f600" * 10})
    with pytest.raises(TooLarge):
        made(Limits(max_body=overhead + 40), payload={"text": "\U0001f600" * 11})

    assert fits.payload.isascii()


def test_a_payload_that_is_nested_too_deeply_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    assert flaws(payload={"text": "x", "times": deep}) == ["/payload"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": ""}, "no name for a type"),
        ({"name": "a\nb"}, "no name for a type"),
        ({"queue": "q" * 201}, "no name for a queue"),
        ({"priority": 10}, "a priority is 0 to 9"),
        ({"timeout": timedelta()}, "a time-out is over 0 seconds"),
        ({"executor": "process"}, "only what a module has at its top"),
    ],
)
def test_a_type_that_cannot_work_is_refused(given: dict[str, Any], says: str) -> None:
    async def local() -> None:
        """No other process can import it."""

    with pytest.raises(Misconfigured, match=says):
        Handlers().add(replace(a_type("local", local), **given))


def test_two_handlers_cannot_have_one_type() -> None:
    handlers = Handlers()
    handlers.add(a_type("reverse", reverse))

    with pytest.raises(Misconfigured, match="Two handlers have the type 'reverse'"):
        handlers.add(a_type("reverse", reverse))


def test_types_are_found_by_name_and_listed_in_order() -> None:
    handlers = Handlers()
    handlers.add(a_type("b", reverse))
    handlers.add(a_type("a", reverse))

    assert [one.name for one in handlers] == ["a", "b"]
    assert (handlers.get("a").name, len(handlers)) == ("a", 2)
    with pytest.raises(TypeNotFound):
        handlers.get("c")


def test_a_type_shows_the_schemas_of_its_payload_and_its_result() -> None:
    known = a_type("reverse", reverse)

    assert known.payload_schema["properties"]["text"] == {"title": "Text", "type": "string"}
    assert known.payload_schema["additionalProperties"] is False
    assert known.result_schema == {"type": "string"}


def test_a_handler_runs_where_its_kind_belongs_unless_it_is_asked_otherwise() -> None:
    def blocking() -> None:
        """Blocks."""

    assert [executor_of(reverse, None), executor_of(blocking, None)] == ["async", "thread"]
    assert [executor_of(reverse, "process"), executor_of(blocking, "process")] == ["process", "process"]
    with pytest.raises(Misconfigured, match="async def"):
        executor_of(blocking, "async")
    with pytest.raises(Misconfigured, match="event loop"):
        executor_of(reverse, "thread")


def test_a_flaw_is_a_place_and_what_is_wrong_there() -> None:
    with pytest.raises(Invalid) as caught:
        made(delay=HOUR, run_at=NOON)

    assert caught.value.flaws == (Flaw("/run_at", "give either delay or run_at, not both"),)
