"""The bench: an in-memory Duly that does everything for real, when the test says so."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from duly import Context, Duly, Retry, RetryAfter
from duly.domain.errors import Invalid, Misconfigured, TaskFailed
from duly.domain.state import State
from duly.testing import bench
from tests.engine import work

HOUR = timedelta(hours=1)


def a_duly() -> Duly:
    duly = Duly()

    @duly.task(queue="text", retry=Retry(max_attempts=3, initial=HOUR, jitter=False))
    async def shout(text: str, times: int = 1) -> str:
        if not text:
            raise ValueError("nothing to shout")
        return text.upper() * times

    @duly.task
    def slowly(ctx: Context) -> str:
        if ctx.failures == 0:
            raise RetryAfter(HOUR)
        return f"attempt {ctx.attempt}"

    @duly.task
    async def parent() -> str:
        child = await duly.submit("shout", {"text": "child"})
        return f"my {await child.result()}"

    return duly


async def test_the_example_of_the_docs_takes_less_than_a_second() -> None:
    duly = Duly()

    @duly.task
    async def reverse(text: str) -> str:
        return text[::-1]

    took = []
    for _ in range(5):
        began = time.monotonic()
        async with bench(duly) as opened:
            handle = await reverse.submit(text="hello")
            await opened.run()

            assert await handle.result() == "olleh"
        took.append(time.monotonic() - began)

    assert min(took) < 1


async def test_nothing_runs_before_the_test_says_so() -> None:
    duly = a_duly()
    async with bench(duly) as opened:
        handle = await duly.submit("shout", {"text": "hey"})
        before = await handle.status()

        assert await opened.run() == 1
        assert (before, await handle.status()) == (State.PENDING, State.COMPLETED)


async def test_a_delay_passes_when_the_test_moves_the_clock() -> None:
    duly = a_duly()
    async with bench(duly) as opened:
        handle = await duly.submit("shout", {"text": "hey"}, delay=HOUR)

        assert await opened.run() == 0
        assert await opened.run_after(HOUR) == 1
        assert await handle.result() == "HEY"


async def test_retries_wait_for_the_clock() -> None:
    duly = a_duly()
    async with bench(duly) as opened:
        handle = await duly.submit("shout", {"text": ""})

        assert [await opened.run(), await opened.run_after(HOUR), await opened.run_after(2 * HOUR)] == [1, 1, 1]
        with pytest.raises(TaskFailed, match="nothing to shout"):
            await handle.result()


async def test_a_thread_s_handler_runs_on_the_bench_too() -> None:
    duly = a_duly()
    async with bench(duly) as opened:
        handle = await duly.submit("slowly")
        await opened.run()
        await opened.run_after(HOUR)

        assert await handle.result() == "attempt 2"


async def test_a_process_s_handler_runs_on_the_bench_too() -> None:
    async with bench(work.duly) as opened:
        handle = await work.linger.submit(seconds=0.01)
        await opened.run()

        assert (await handle.result()).startswith("in ")


async def test_a_handler_may_wait_for_a_task_that_it_submits() -> None:
    """The bench ran what was ready and waited for all of it: what that waited for never ran."""
    duly = a_duly()
    async with bench(duly) as opened:
        handle = await duly.submit("parent")

        assert await opened.run() == 2
        assert await handle.result() == "my CHILD"


@pytest.mark.mistake(51)
async def test_payloads_are_checked_as_in_production() -> None:
    duly = a_duly()
    async with bench(duly):
        with pytest.raises(Invalid):
            await duly.submit("shout", {"text": 7})


async def test_many_tasks_run_in_one_go() -> None:
    duly = a_duly()
    async with bench(duly) as opened:
        for number in range(600):
            await duly.submit("shout", {"text": str(number)})

        assert await opened.run() == 600


async def test_the_clock_begins_where_the_test_wants() -> None:
    duly = a_duly()
    start = datetime(2030, 1, 1, tzinfo=UTC)
    async with bench(duly, start) as opened:
        handle = await duly.submit("shout", {"text": "x"})

        assert (await handle.task()).created_at == start
        assert opened.clock.now() == start


async def test_after_the_bench_duly_is_closed_again() -> None:
    duly = a_duly()
    async with bench(duly):
        pass

    with pytest.raises(Misconfigured, match="not open"):
        await duly.submit("shout", {"text": "x"})
