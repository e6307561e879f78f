"""A coroutine handler is begun at once and awaited further only where it waits: nobody can tell the difference."""

import asyncio
import contextvars
import gc
import traceback
import weakref
from datetime import UTC, datetime

import pytest

from duly.engine.call import COOPERATION, Caught
from duly.engine.cause import Cause
from duly.engine.inline import Begun, Inline, begun
from duly.engine.limits import Limits
from duly.engine.running import Means, Running
from tests.support.builders import a_task
from tests.support.serving import a_type

PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("place")


class Call:
    """A handler, called as an attempt does it."""

    def __init__(self, handler) -> None:
        self.type = a_type("demo.handler", handler)
        means = Means(Limits(), lambda *_: None, joined=None, now=lambda: datetime.now(UTC))
        self.running = Running(a_task(), self.type, means)

    async def __call__(self) -> Caught:
        called = begun(self.type, {})
        if not isinstance(called, Begun):
            return called
        inline = Inline(asyncio.current_task(), lambda *_: None, cancels=True, parting=COOPERATION)
        return await inline.rest(self.running, called)


async def test_what_never_waits_is_done_at_once() -> None:
    async def handler() -> int:
        return 7

    assert begun(a_type("demo.handler", handler), {}) == (7, None)


async def test_what_waits_ends_as_if_it_had_been_awaited() -> None:
    async def handler() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return "done"

    assert await Call(handler)() == ("done", None)


async def test_time_limits_groups_and_the_context_belong_to_the_attempts_own_task() -> None:
    async def handler() -> list[object]:
        mine = asyncio.current_task()
        PLACE.set("inside")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            other = group.create_task(asyncio.sleep(0, "other"))
        return [mine is asyncio.current_task(), other.result(), PLACE.get()]

    assert await Call(handler)() == ([True, "other", "inside"], None)


async def test_a_cancel_can_be_answered_and_what_is_raised_then_has_no_false_context() -> None:
    waits = asyncio.Event()

    async def handler() -> None:
        try:
            waits.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # it may clean up
        raise ValueError("after the cancel")

    call = Call(handler)
    attempt = asyncio.create_task(call())
    await waits.wait()
    call.running.end(Cause.CANCEL)
    value, error = await attempt

    assert value is None
    assert isinstance(error, ValueError)
    assert error.__context__ is None
    assert not attempt.cancelled()
    assert attempt.cancelling() == 0, "what was asked of the handler was not asked of the attempt"


async def test_an_error_from_what_it_waited_for_is_shown_where_it_waited() -> None:
    async def handler() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, OSError("the disk"))
        await future

    _, error = await Call(handler)()

    assert isinstance(error, OSError)
    assert "await future" in traceback.format_tb(error.__traceback__)[-1]


async def test_a_handler_that_was_thrown_at_is_forgotten_without_a_collector() -> None:
    class Held:
        """What the handler holds."""

    seen: list[weakref.ref[Held]] = []

    async def handler() -> None:
        held = Held()
        seen.append(weakref.ref(held))
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()

    gc.disable()
    try:
        _, error = await Call(handler)()
        assert isinstance(error, TimeoutError)
        del error, _
        await asyncio.sleep(0)
        assert seen[0]() is None
    finally:
        gc.enable()


async def test_a_handler_that_is_thrown_away_with_its_task_cleans_up() -> None:
    cleaned = []

    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    call = Call(handler)()
    call.send(None)
    call.close()

    assert cleaned == [True]
