"""The hot lane's own connections."""

import asyncio
from functools import partial

import asyncpg  # type: ignore[import-untyped]
import pytest

from duly.stores.sql.doubt import Doubt
from duly.stores.sql.postgres_pool import PostgresPool


def a_pool(url: str, most: int = 2, doubt: Doubt | None = None) -> PostgresPool:
    return PostgresPool(partial(asyncpg.connect, url), most, doubt or Doubt())


async def test_the_connection_that_was_used_last_is_used_next(postgres_url) -> None:
    pool = a_pool(postgres_url)
    first, second = await pool.take(), await pool.take()
    pool.give_back(first)
    pool.give_back(second)

    again = await pool.take()

    assert again is second
    pool.give_back(again)
    await pool.close()


async def test_there_are_never_more_than_so_many(postgres_url) -> None:
    pool = a_pool(postgres_url, most=1)
    only = await pool.take()
    waiting = asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    assert not waiting.done()

    pool.give_back(only)

    assert await waiting is only
    pool.give_back(only)
    await pool.close()


async def test_what_is_closed_doubtful_or_dropped_makes_room_for_a_new_one(postgres_url) -> None:
    doubt = Doubt()
    pool = a_pool(postgres_url, most=1, doubt=doubt)
    dropped = await pool.take()
    pool.drop(dropped)
    closed = await pool.take()
    pool.give_back(closed)
    await closed.close()
    doubtful = await pool.take()
    pool.give_back(doubtful)
    doubt.cast(float("inf"))

    new = await pool.take()

    assert len({dropped, closed, doubtful, new}) == 4
    assert doubtful.is_closed()
    assert await new.fetchval("SELECT 1") == 1
    pool.give_back(new)
    await pool.close()


async def test_closing_waits_for_what_is_taken_and_refuses_the_rest(postgres_url) -> None:
    pool = a_pool(postgres_url, most=1)
    taken = await pool.take()
    waiting = asyncio.ensure_future(pool.take())
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(pool.close())
    await asyncio.sleep(0)
    assert not closing.done()

    pool.give_back(taken)
    await closing
    await pool.close()

    assert taken.is_closed()
    with pytest.raises(asyncpg.InterfaceError):
        await waiting
    with pytest.raises(asyncpg.InterfaceError):
        await pool.take()


async def test_closing_that_is_cancelled_ends_what_is_taken(postgres_url) -> None:
    pool = a_pool(postgres_url)
    taken, idle = await pool.take(), await pool.take()
    pool.give_back(idle)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pool.close(), 0.01)

    assert taken.is_closed()
    assert idle.is_closed()
