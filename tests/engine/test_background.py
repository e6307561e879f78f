"""Work that goes on for as long as a context is open."""

import asyncio
from contextlib import suppress

import pytest

from duly.engine.background import in_background, unless
from tests.support.telling import Told


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_it_ends_with_the_context() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await for_ever()
        finally:
            ended.set()

    async with in_background(Told(), work()):
        await asyncio.sleep(0)

    assert ended.is_set()


async def test_work_whose_library_swallows_a_cancel_ends_all_the_same() -> None:
    """A program that submitted through Redis did not end: Python's `wait_for` had swallowed the cancel."""

    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await for_ever()
        await for_ever()

    async with asyncio.timeout(20), in_background(Told(), work(), for_ever()):
        await asyncio.sleep(0)


async def test_what_the_body_raises_passes_through_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with in_background(Told(), for_ever()):
            raise KeyError("mine")


async def test_a_failure_is_told_at_once_and_raised_at_the_end() -> None:
    told, failed = Told(), asyncio.Event()

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        async with in_background(told, fail(), for_ever(), failed=failed):
            await failed.wait()

    assert told.names == ["background.failed"]


async def test_an_end_in_good_order_is_no_failure() -> None:
    failed = asyncio.Event()

    async with in_background(Told(), for_ever(), failed=failed):
        await asyncio.sleep(0)

    assert not failed.is_set()


async def test_a_failure_behind_a_body_that_fails_too_does_not_hide_the_body_s() -> None:
    told = Told()

    async def fail() -> None:
        raise ZeroDivisionError

    async def body() -> None:
        async with in_background(told, fail()):
            await told.until("background.failed")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await body()


async def test_a_cancel_of_whoever_closes_it_is_not_swallowed() -> None:
    closing, release = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        try:
            await for_ever()
        finally:
            closing.set()
            await release.wait()

    async def body() -> None:
        async with in_background(Told(), stubborn()):
            await asyncio.sleep(0)

    task = asyncio.ensure_future(body())
    await closing.wait()
    task.cancel()
    await asyncio.wait([task])
    release.set()
    await asyncio.sleep(0.01)

    assert task.cancelled()


async def test_what_is_done_before_the_stop_has_its_outcome() -> None:
    async def seven() -> int:
        await asyncio.sleep(0)
        return 7

    assert await unless(asyncio.Event(), seven(), Told()) == 7


async def test_a_stop_ends_what_is_under_way() -> None:
    stop, ended = asyncio.Event(), asyncio.Event()

    async def long() -> int:
        stop.set()
        try:
            await for_ever()
        finally:
            ended.set()
        return 7

    assert await unless(stop, long(), Told()) is None
    assert ended.is_set()


async def test_a_time_out_that_is_none_of_the_stop_passes_through() -> None:
    async def late() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await unless(asyncio.Event(), late(), Told())
