"""What becomes of a task when its handler ends, in whichever executor it runs."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from duly.domain.retry import Fail, Retry, RetryAfter, Snooze
from duly.domain.state import Reason, State
from duly.engine.context import Context
from duly.engine.handlers import Handlers
from tests.engine.outcomes import both, error_of, executors
from tests.support.serving import a_type, handlers_of
from tests.support.stage import at_work


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
@pytest.mark.parametrize("instead", [RuntimeError, SystemExit])
async def test_an_exception_whose_text_cannot_be_had_is_stored_without_it(
    executor: str, instead: type[BaseException]
) -> None:
    """A SystemExit ended the worker, and cost everything that ran there its lease."""

    class Shy(Exception):
        def __str__(self) -> str:
            raise instead

    def fail(_: Context) -> None:
        raise Shy

    async with at_work(both(fail)) as stage:
        task = await stage.ran(executor, max_attempts=1)

        assert task.state is State.FAILED
        assert error_of(task)["message"] == f"(its text cannot be had: {instead.__name__})"


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
