"""What becomes of a task when its handler ends, in whichever executor it runs."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import PlainSerializer

from duly.domain.retry import Fail, Retry, RetryAfter, Snooze
from duly.domain.state import Reason, State
from duly.domain.task import Task
from duly.domain.transition import Change
from duly.engine.context import Context
from duly.engine.handlers import Handlers
from duly.engine.limits import Limits
from duly.engine.run import _unhandled_wait
from tests.engine import work
from tests.support.builders import NOON, a_task
from tests.support.serving import a_type, handlers_of
from tests.support.stage import a_stage, a_worker, at_work

SOON = Retry(max_attempts=3, initial=timedelta(milliseconds=1), jitter=False)


def both(body: Callable[[Context], Any]) -> Handlers:
    """The same handler as ``async def`` (type "async") and as ``def`` (type "thread"), retried soon."""

    async def in_loop(ctx: Context) -> Any:
        return body(ctx)

    def in_thread(ctx: Context) -> Any:
        return body(ctx)

    handlers = Handlers()
    handlers.add(a_type("async", in_loop, retry=SOON))
    handlers.add(a_type("thread", in_thread, retry=SOON))
    return handlers


def error_of(task: Task) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(task.error or "null")
    return found


executors = pytest.mark.parametrize("executor", ["async", "thread"])


@executors
async def test_what_a_handler_returns_is_its_result(executor: str) -> None:
    async with at_work(both(lambda _: {"answer": 42})) as stage:
        task = await stage.ran(executor)

        assert task.state is State.COMPLETED
        assert task.result == '{"answer":42}'


@executors
async def test_a_handler_that_raises_is_tried_again_until_its_budget_is_spent(executor: str) -> None:
    def fail(_: Context) -> None:
        raise KeyError("gone")

    async with at_work(both(fail)) as stage:
        task = await stage.ran(executor)

        assert (task.state, task.reason) == (State.FAILED, Reason.HANDLER_ERROR)
        assert (task.failures, task.crashes, task.attempt) == (3, 0, 3)
        assert error_of(task)["type"] == "KeyError"
        assert await stage.kinds(task.id) == ["retry_scheduled", "retry_scheduled", "failed"]


@executors
async def test_a_handler_that_fails_on_purpose_is_not_tried_again(executor: str) -> None:
    def fail(_: Context) -> None:
        raise Fail("no use")

    async with at_work(both(fail)) as stage:
        task = await stage.ran(executor)

        assert (task.state, task.failures) == (State.FAILED, 1)


@executors
async def test_a_handler_may_say_when_to_try_again(executor: str) -> None:
    def first_later(ctx: Context) -> str:
        if ctx.failures == 0:
            raise RetryAfter(timedelta(milliseconds=5))
        return "second time"

    async with at_work(both(first_later)) as stage:
        task = await stage.ran(executor)

        assert (task.state, task.failures, task.attempt) == (State.COMPLETED, 1, 2)


@executors
async def test_a_snooze_costs_nothing(executor: str) -> None:
    def not_yet(ctx: Context) -> str:
        if ctx.attempt < 5:
            raise Snooze(0.001)
        return "now"

    async with at_work(both(not_yet)) as stage:
        task = await stage.ran(executor)

        assert (task.state, task.failures, task.attempt) == (State.COMPLETED, 0, 5)


async def test_an_error_that_no_retry_can_mend_fails_the_task_at_once() -> None:
    async def fail() -> None:
        raise FileNotFoundError("gone")

    handlers = Handlers()
    handlers.add(a_type("fail", fail, retry=Retry(never=(OSError,))))
    async with at_work(handlers) as stage:
        task = await stage.ran("fail")

        assert (task.state, task.failures) == (State.FAILED, 1)
        assert error_of(task)["retryable"] is False


async def test_a_rule_for_an_exception_has_its_own_budget() -> None:
    async def fail() -> None:
        raise FileNotFoundError("gone")

    rule = Retry(max_attempts=2, initial=timedelta(milliseconds=1))
    handlers = Handlers()
    handlers.add(a_type("fail", fail, retry=Retry(max_attempts=5, rules={OSError: rule})))
    async with at_work(handlers) as stage:
        task = await stage.ran("fail")

        assert (task.state, task.failures) == (State.FAILED, 2)


@pytest.mark.mistake(17)
@executors
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
async def test_nothing_that_a_handler_raises_ends_the_worker(executor: str, error: BaseException) -> None:
    def fail(_: Context) -> None:
        raise error

    async with at_work(both(fail)) as stage:
        task = await stage.ran(executor, max_attempts=1)
        after = await stage.ran(executor, max_attempts=1)

        assert (task.state, task.failures, task.crashes) == (State.FAILED, 1, 0)
        assert error_of(task)["type"].endswith(type(error).__name__)
        assert after.state is State.FAILED


async def test_a_handler_that_cancels_itself_fails_and_loses_no_lease() -> None:
    """It passed for a cancel of the worker: nothing was settled, and three lost leases made the task poison."""

    async def cancel_itself() -> None:
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        await asyncio.sleep(0)

    async with at_work(handlers_of(odd=cancel_itself)) as stage:
        task = await stage.ran("odd", max_attempts=1)

        assert (task.state, task.failures, task.crashes) == (State.FAILED, 1, 0)
        assert error_of(task)["message"] == "The handler cancelled itself."


@executors
async def test_an_exception_whose_text_cannot_be_had_is_stored_without_it(executor: str) -> None:
    class Shy(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def fail(_: Context) -> None:
        raise Shy

    async with at_work(both(fail)) as stage:
        task = await stage.ran(executor, max_attempts=1)

        assert task.state is State.FAILED
        assert error_of(task)["message"] == "(its text cannot be had: RuntimeError)"


async def test_an_exception_that_cannot_even_be_formatted_keeps_its_frames() -> None:
    class Hostile(Exception):
        @property
        def __notes__(self) -> Any:
            raise RuntimeError("no notes")

    async def fail() -> None:
        raise Hostile

    async with at_work(handlers_of(fail=fail)) as stage:
        task = await stage.ran("fail", max_attempts=1)

        assert "in fail" in error_of(task)["traceback"]


@executors
async def test_error_text_with_nul_and_lone_surrogates_is_kept_in_a_form_that_can_be_stored(executor: str) -> None:
    def fail(_: Context) -> None:
        raise ValueError("nul \x00 and \udcff")

    async with at_work(both(fail)) as stage:
        task = await stage.ran(executor, max_attempts=1)

        assert error_of(task)["message"] == "nul \x00 and \\udcff"


@executors
async def test_a_traceback_begins_in_the_handler(executor: str) -> None:
    def fail(_: Context) -> None:
        raise ValueError("here")

    async with at_work(both(fail)) as stage:
        task = await stage.ran(executor, max_attempts=1)

        trace = error_of(task)["traceback"]
        assert trace.startswith("Traceback (most recent call last):\n")
        assert "in fail" in trace
        assert "duly/engine" not in trace


@pytest.mark.mistake(21)
@executors
@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (float("nan"), Reason.RESULT_INVALID),
        ("\ud800", Reason.RESULT_INVALID),
        (object(), Reason.RESULT_INVALID),
        ("x" * 2000, Reason.RESULT_TOO_LARGE),
    ],
)
async def test_a_result_that_cannot_be_stored_fails_the_task_once(
    executor: str, result: object, reason: Reason
) -> None:
    async with at_work(both(lambda _: result), limits=Limits(max_result=1024)) as stage:
        task = await stage.ran(executor)

        assert (task.state, task.reason, task.attempt) == (State.FAILED, reason, 1)


async def test_the_limit_of_a_result_counts_bytes_as_they_are_sent() -> None:
    async def umlauts(count: int) -> str:
        return "ä" * count

    async with at_work(handlers_of(umlauts=umlauts), limits=Limits(max_result=1024)) as stage:
        fits = await stage.ran("umlauts", {"count": 511})
        too_large = await stage.ran("umlauts", {"count": 512})

        assert fits.state is State.COMPLETED
        assert too_large.reason is Reason.RESULT_TOO_LARGE


async def test_a_result_that_does_not_fit_its_annotation_fails_the_task_once() -> None:
    async def wrong() -> int:
        return "three"  # type: ignore[return-value]

    async with at_work(handlers_of(wrong=wrong)) as stage:
        task = await stage.ran("wrong")

        assert (task.state, task.reason, task.attempt) == (State.FAILED, Reason.RESULT_INVALID, 1)


@pytest.mark.mistake(44)
async def test_a_payload_that_no_longer_fits_fails_the_task_and_says_where() -> None:
    async def before(size: str) -> None:
        """What the type was when the task was submitted."""

    async def now(size: int) -> None:
        """What the worker has."""

    async with a_stage(handlers_of(resize=before)) as stage:
        async with a_worker(stage, handlers=handlers_of(resize=now)):
            task = await stage.ran("resize", {"size": "large"})

        assert (task.state, task.reason, task.attempt) == (State.FAILED, Reason.HANDLER_ERROR, 1)
        assert error_of(task)["type"] == "PayloadInvalid"
        assert "/payload/size" in error_of(task)["message"]


@pytest.mark.parametrize("executor", ["async", "process"])
async def test_a_validator_of_the_user_s_own_that_raises_is_the_handler_s_fault(executor: Any) -> None:
    """What it raised passed for a fault of Duly's: nothing was settled, and lost leases made the task poison."""
    handlers = Handlers()
    handlers.add(a_type("picky", work.picky.task_type.function, executor=executor))
    async with a_stage(handlers_of(picky=work.bare)) as stage, a_worker(stage, handlers=handlers):
        task = await stage.ran("picky", {"word": "any"}, max_attempts=1)

        assert (task.state, task.reason, task.crashes) == (State.FAILED, Reason.HANDLER_ERROR, 0)
        assert error_of(task)["type"] == "ZeroDivisionError"


async def test_a_serializer_of_the_user_s_own_that_raises_makes_the_result_invalid() -> None:
    def divide(value: int) -> int:
        return value // 0

    async def give() -> Annotated[int, PlainSerializer(divide)]:
        return 1

    async with at_work(handlers_of(give=give)) as stage:
        task = await stage.ran("give")

        assert (task.state, task.reason, task.crashes) == (State.FAILED, Reason.RESULT_INVALID, 0)


async def test_a_type_without_a_handler_waits_and_is_charged_nothing() -> None:
    async with a_stage(handlers_of(rare=work.bare)) as stage:
        async with a_worker(stage, handlers=Handlers()):
            task_id = await stage.submit("rare", {"word": "w"})
            task = await stage.until(task_id, State.SCHEDULED)

        assert (task.reason, task.failures, task.crashes) == (Reason.NO_HANDLER, 0, 0)
        assert task.run_at > stage.store.clock.now()


async def test_what_waits_for_a_handler_is_released_when_a_worker_with_it_starts() -> None:
    async with a_stage(handlers_of(rare=work.bare)) as stage:
        async with a_worker(stage, handlers=Handlers()):
            task_id = await stage.submit("rare", {"word": "w"})
            await stage.until(task_id, State.SCHEDULED)
            await stage.store.tasks.apply([postponed(await stage.now(task_id))])
        async with a_worker(stage):
            task = await stage.ended(task_id)

        assert task.state is State.COMPLETED


async def test_the_wait_for_a_handler_grows_with_the_age_of_the_task_up_to_a_minute() -> None:
    waits = [_unhandled_wait(a_task(created_at=NOON), NOON + timedelta(seconds=age)) for age in (0, 7, 3600)]

    assert waits == [timedelta(seconds=1), timedelta(seconds=7), timedelta(seconds=60)]


def postponed(task: Task) -> Change:
    """As if it had been put off for an hour."""
    run_at = task.run_at + timedelta(hours=1)
    return Change(task, replace(task, run_at=run_at, version=task.version + 1))
