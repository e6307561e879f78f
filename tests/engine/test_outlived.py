"""What does not end holds up nobody."""

import asyncio
import os
import time
from contextlib import suppress
from datetime import timedelta
from threading import Event

import pytest

from duly.engine import outlived
from duly.engine.outlived import alone, end_after, end_at
from tests.support.telling import Told


@pytest.mark.mistake(43)
def test_a_program_does_not_wait_for_a_coroutine_that_pays_no_attention_to_being_cancelled():
    heard: list[str] = []

    async def deaf() -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    async def listening() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            heard.append("the end")

    async def main() -> str:
        started.extend([asyncio.create_task(deaf()), asyncio.create_task(listening())])
        await asyncio.sleep(0)
        return "done"

    started: list[asyncio.Task[None]] = []
    asked = time.monotonic()
    assert asyncio.run(alone(main())) == "done"

    assert time.monotonic() - asked < 20
    assert heard == ["the end"]
    started[0]._log_destroy_pending = False  # type: ignore[attr-defined]  # that is what this is about


async def test_a_process_that_is_told_to_stop_ends_when_its_grace_is_over_but_not_while_others_need_it(monkeypatch):
    codes: list[int] = []
    ended, needed, told = Event(), [False, True], Told()
    monkeypatch.setattr(os, "_exit", lambda code: (codes.append(code), ended.set()))

    end_at(time.monotonic(), told, unless=needed.pop)
    assert await asyncio.to_thread(ended.wait, 20)

    assert (codes, needed, told.names) == ([os.EX_OK], [], ["process.overdue"])


async def test_the_grace_begins_when_the_process_is_told_to_stop(monkeypatch):
    ended, stop = Event(), asyncio.Event()
    monkeypatch.setattr(os, "_exit", lambda _: ended.set())
    async with asyncio.TaskGroup() as group:
        group.create_task(end_after(stop, timedelta(milliseconds=1), Told()))
        await asyncio.sleep(0.05)
        assert not ended.is_set()
        stop.set()

    assert await asyncio.to_thread(ended.wait, 20)


@pytest.mark.parametrize(("grace", "left"), [(30, 29.8), (2, 1.9)])
async def test_a_process_leaves_so_early_that_it_is_gone_when_its_grace_is_over(monkeypatch, grace, left):
    """Whoever kills at the end of the grace must find nothing to kill."""
    stop, ends = asyncio.Event(), []
    monkeypatch.setattr(outlived, "end_at", lambda when, _: ends.append(when))
    stop.set()
    before = time.monotonic()

    await end_after(stop, timedelta(seconds=grace), Told())

    assert before + left <= ends[0] <= time.monotonic() + left
