"""Results, payloads and types that fit nowhere."""

from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import PlainSerializer

from duly.domain.state import Reason, State
from duly.domain.task import Task
from duly.domain.transition import Change
from duly.engine.handlers import Handlers
from duly.engine.limits import Limits
from duly.engine.outcome import unhandled_wait
from tests.engine import work
from tests.engine.outcomes import both, error_of, executors
from tests.support.builders import NOON, a_task
from tests.support.serving import a_type, handlers_of
from tests.support.stage import a_stage, a_worker, at_work


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
@pytest.mark.parametrize(("word", "error_type"), [("any", "ZeroDivisionError"), ("exit", "SystemExit")])
async def test_a_validator_of_the_user_s_own_that_raises_is_the_handler_s_fault(
    executor: Any, word: str, error_type: str
) -> None:
    """What it raised passed for a fault of Duly's: nothing was settled, and lost leases made the task poison."""
    handlers = Handlers()
    handlers.add(a_type("picky", work.picky.task_type.function, executor=executor))
    async with a_stage(handlers_of(picky=work.bare)) as stage, a_worker(stage, handlers=handlers):
        task = await stage.ran("picky", {"word": word}, max_attempts=1)

        assert (task.state, task.reason, task.crashes) == (State.FAILED, Reason.HANDLER_ERROR, 0)
        assert error_of(task)["type"] == error_type


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
async def test_a_serializer_of_the_user_s_own_that_raises_makes_the_result_invalid(error: type[BaseException]) -> None:
    def fail(value: int) -> int:
        raise error

    async def give() -> Annotated[int, PlainSerializer(fail)]:
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
    waits = [unhandled_wait(a_task(created_at=NOON), NOON + timedelta(seconds=age)) for age in (0, 7, 3600)]

    assert waits == [timedelta(seconds=1), timedelta(seconds=7), timedelta(seconds=60)]


def postponed(task: Task) -> Change:
    """As if it had been put off for an hour."""
    run_at = task.run_at + timedelta(hours=1)
    return Change(task, task._replace(run_at=run_at, version=task.version + 1))
