"""Attempts begin one after another in one asyncio task, and none of them can tell."""

import asyncio
import contextvars
import gc
import weakref

import pytest

from duly.engine.eager import Eager
from duly.engine.slot import Slot
from tests.support.builders import a_running_task
from tests.support.serving import handlers_of
from tests.support.stage import a_stage, a_worker, becomes_true

PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


def a_slot() -> Slot:
    return Slot(a_running_task(), lambda _: None)


def name_of_its_task() -> str:
    task = asyncio.current_task()
    assert task is not None
    return task.get_name()


async def started(*attempts) -> list[Slot]:
    """All of them begun, as far as they go without being woken."""
    eager, slots = Eager(lambda *_: None), [a_slot() for _ in attempts]
    for attempt, slot in zip(attempts, slots, strict=True):
        eager.start(attempt, slot)
    for _ in range(2 * len(attempts) + 2):
        await asyncio.sleep(0)
    return slots


async def test_what_never_waits_shares_a_task_and_keeps_its_order() -> None:
    seen = []

    async def attempt(number: int) -> None:
        seen.append((number, name_of_its_task()))

    await started(*map(attempt, range(5)))

    assert [number for number, _ in seen] == [0, 1, 2, 3, 4]
    assert len({name for _, name in seen}) == 1
    assert seen[0][1] != name_of_its_task()


async def test_one_that_waits_has_a_task_of_its_own_and_holds_up_nobody() -> None:
    go, tasks, ended = asyncio.Event(), [], []

    async def attempt(waits: bool) -> None:
        tasks.append(asyncio.current_task())
        if waits:
            await go.wait()
        ended.append(asyncio.current_task())

    slots = await started(attempt(True), attempt(False), attempt(True), attempt(False))
    before = list(ended)
    go.set()
    await becomes_true(lambda: len(ended) == 4)

    assert before == [tasks[1], tasks[3]]
    assert len({tasks[0], tasks[2], tasks[3]}) == 3
    assert [slot.holder for slot in slots] == [tasks[0], None, tasks[2], None]
    assert ended[2:] == [tasks[0], tasks[2]]


async def test_what_one_sets_in_its_context_the_next_does_not_see_and_it_keeps_itself() -> None:
    seen = []

    async def attempt(name: str) -> None:
        before = PLACE.get()
        PLACE.set(name)
        await asyncio.sleep(0)
        other = asyncio.create_task(asyncio.sleep(0, PLACE.get()))
        seen.append((before, PLACE.get(), await other))

    async def brief(name: str) -> None:
        seen.append((PLACE.get(),))
        PLACE.set(name)

    await started(brief("first"), brief("second"), attempt("third"), attempt("fourth"))
    await becomes_true(lambda: len(seen) == 4)

    assert seen == [
        ("nowhere",), ("nowhere",), ("nowhere", "third", "third"), ("nowhere", "fourth", "fourth"),
    ]  # fmt: skip


async def test_a_cancel_and_what_is_awaited_reach_the_attempt_that_waits() -> None:
    caught: list[BaseException] = []

    async def cancelled() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            caught.append(error)
            await asyncio.sleep(0)
            raise

    async def disappointed() -> None:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, OSError("gone"))
        try:
            await future
        except OSError as error:
            caught.append(error)

    slots = await started(cancelled(), disappointed())
    assert slots[0].holder is not None
    slots[0].holder.cancel()
    await asyncio.wait([slot.holder for slot in slots if slot.holder is not None])

    assert [type(error) for error in caught] == [OSError, asyncio.CancelledError]
    assert [slot.holder.cancelled() for slot in slots if slot.holder is not None] == [True, False]


async def test_a_handler_that_cancels_its_own_task_cancels_no_other() -> None:
    ended = []

    async def rash() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def calm() -> None:
        await asyncio.sleep(0)
        ended.append("calm")

    await started(rash(), calm())
    await becomes_true(lambda: ended == ["calm"])


@pytest.mark.parametrize("kept", [dict, weakref.WeakKeyDictionary])
async def test_what_a_handler_keeps_for_its_task_no_other_finds(kept) -> None:
    sessions, found = kept(), []

    async def attempt(number: int) -> None:
        task = asyncio.current_task()
        found.append(sessions.get(task))
        if number % 2:
            sessions[task] = number

    await started(*map(attempt, range(6)))
    await becomes_true(lambda: len(found) == 6)

    assert found == [None] * 6


async def test_one_that_is_cancelled_before_it_waits_stops_none_behind_it() -> None:
    ended = []

    async def refused() -> None:
        raise asyncio.CancelledError

    async def calm() -> None:
        ended.append("calm")

    await started(refused(), calm())

    assert ended == ["calm"]


async def test_after_the_close_none_begins() -> None:
    begun, eager = [], Eager(lambda *_: None)

    async def attempt() -> None:
        begun.append(asyncio.current_task())

    eager.start(attempt(), a_slot())
    eager.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert begun == []

    eager.start(attempt(), a_slot())
    await becomes_true(lambda: len(begun) == 1)


async def test_nothing_is_kept_of_what_has_ended() -> None:
    class Thing:
        pass

    thing, go = Thing(), asyncio.Event()
    kept = weakref.ref(thing)

    async def attempt(thing: Thing) -> None:
        await go.wait()
        del thing

    slots = await started(attempt(thing))
    del thing
    gc.disable()
    try:
        go.set()
        assert slots[0].holder is not None
        await slots[0].holder
        assert kept() is None
    finally:
        gc.enable()


async def test_of_one_that_breaks_its_owner_is_told_and_of_one_that_is_cancelled_the_slot_is_free() -> None:
    broken: list[tuple[Slot, str]] = []
    eager, slots = Eager(lambda slot, error: broken.append((slot, str(error)))), [a_slot() for _ in range(5)]

    async def attempt(error: BaseException, *, waits: bool) -> None:
        if waits:
            await asyncio.sleep(0)
        raise error

    eager.start(attempt(ValueError("at once"), waits=False), slots[0])
    eager.start(attempt(asyncio.CancelledError(), waits=False), slots[1])
    eager.start(attempt(ValueError("later"), waits=True), slots[2])
    eager.start(attempt(asyncio.CancelledError(), waits=True), slots[3])
    eager.start(asyncio.sleep(0), slots[4])
    await becomes_true(lambda: len(broken) == 2 and not slots[3].taken)

    assert broken == [(slots[0], "at once"), (slots[2], "later")]
    assert [slot.taken for slot in slots] == [True, False, True, False, True]


async def test_what_a_worker_does_for_an_attempt_leaves_no_mark_on_the_task() -> None:
    names = []

    async def brief() -> None:
        names.append(name_of_its_task())

    async with a_stage(handlers_of(brief=brief)) as stage:
        ids = [await stage.submit("brief") for _ in range(60)]
        async with a_worker(stage, slots=30):
            for task_id in ids:
                await stage.ended(task_id)

    assert len(names) == 60
    assert len(set(names)) <= 6
