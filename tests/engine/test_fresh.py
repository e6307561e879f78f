"""A value that is looked up anew once it is too old."""

import asyncio
from datetime import timedelta

import pytest

from duly.domain.errors import StoreUnavailable
from duly.engine import fresh as module
from duly.engine.fresh import Fresh

LONG = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _a_machine_that_stands_still_for_a_moment_is_no_slow_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)


class Source:
    """Counts how often it is looked at; a look ends when the test lets it."""

    def __init__(self) -> None:
        self.looks = 0
        self.looking = asyncio.Event()
        self.go = asyncio.Event()
        self.away = False

    async def __call__(self) -> int:
        self.looks += 1
        look = self.looks
        self.looking.set()
        await self.go.wait()
        if self.away:
            raise StoreUnavailable("away")
        return look


async def test_many_who_ask_at_once_share_one_look() -> None:
    source = Source()
    source.go.set()
    fresh = Fresh(source, LONG)

    answers = [await asker for asker in [asyncio.ensure_future(fresh.get()) for _ in range(10)]]

    assert answers == [1] * 10


async def test_a_value_that_is_too_old_is_looked_up_anew() -> None:
    source = Source()
    source.go.set()
    fresh = Fresh(source, timedelta())

    assert [await fresh.get(), await fresh.get()] == [1, 2]


async def test_what_was_being_looked_up_when_it_was_forgotten_is_not_kept() -> None:
    """A pause that came while somebody looked was answered with the view from before the pause."""
    source = Source()
    fresh = Fresh(source, LONG)
    early = asyncio.ensure_future(fresh.get())
    await source.looking.wait()
    fresh.forget()
    late = asyncio.ensure_future(fresh.get())

    source.go.set()

    assert [await early, await late] == [1, 2]


async def test_those_who_waited_for_a_look_that_failed_do_not_each_try_again() -> None:
    """While the database hung, the last of a hundred readers waited for a hundred time-outs."""
    source = Source()
    source.away = True
    fresh = Fresh(source, LONG)
    askers = [asyncio.ensure_future(fresh.get()) for _ in range(3)]
    await source.looking.wait()

    source.go.set()
    await asyncio.wait(askers)

    assert source.looks == 1
    assert [type(asker.exception()) for asker in askers] == [StoreUnavailable] * 3


async def test_who_asks_after_a_failure_looks_again() -> None:
    source = Source()
    source.go.set()
    source.away = True
    fresh = Fresh(source, LONG)
    with pytest.raises(StoreUnavailable):
        await fresh.get()
    source.away = False
    await asyncio.sleep(0.01)

    assert await fresh.get() == 2


async def test_nobody_waits_for_a_slow_look_while_there_is_a_value_that_is_not_too_old() -> None:
    source = Source()
    fresh = await held_and_slow(source)

    assert [await fresh.get(), await fresh.get()] == [1, 1]
    assert source.looks == 2, "one look goes on behind them"
    source.go.set()

    async with asyncio.timeout(20):
        while await fresh.get() < 2:
            pass


async def test_a_quick_look_is_waited_for_even_where_there_is_an_older_value() -> None:
    source = Source()
    source.go.set()
    fresh = Fresh(source, timedelta(), oldest=LONG)

    assert [await fresh.get(), await fresh.get()] == [1, 2]


async def test_a_slow_look_that_fails_hurts_nobody_while_the_value_is_not_too_old() -> None:
    source = Source()
    fresh = await held_and_slow(source)
    source.away = True
    assert await fresh.get() == 1
    source.go.set()
    await asyncio.sleep(0.01)
    source.away = False

    assert await fresh.get() == 3


async def held_and_slow(source: Source) -> Fresh[int]:
    """It has a value that is not too old, and the next look goes on until the test lets it end."""
    source.go.set()
    fresh = Fresh(source, timedelta(), oldest=LONG)
    assert await fresh.get() == 1
    source.go.clear()
    return fresh


async def test_a_look_that_took_long_is_not_repeated_at_once() -> None:
    """Counting millions of waiting tasks took seconds, and began again as soon as it had ended."""
    source = Source()
    fresh = Fresh(source, timedelta(), oldest=LONG)
    asker = asyncio.ensure_future(fresh.get())
    await source.looking.wait()
    await asyncio.sleep(0.5)
    source.go.set()

    assert [await asker, await fresh.get(), source.looks] == [1, 1, 1]
