"""Redis as a cache: what an operator, a fault or a stranger can do to it, and how reads go on."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from duly.caches.redis import RedisCache, open_redis_cache
from duly.domain.errors import CacheUnavailable, Misconfigured
from tests.support.builders import a_task
from tests.support.servers import RedisServer, ended

KEPT = timedelta(minutes=1)


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with ended(RedisServer(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture
async def cache(redis: RedisServer) -> AsyncIterator[RedisCache]:
    async with open_redis_cache(redis.url, longest=timedelta(seconds=20)) as opened:
        yield opened


@pytest.fixture
async def raw(redis: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis.url) as client:
        yield client


@pytest.mark.mistake(36)
async def test_a_flush_costs_a_read_and_nothing_else(cache, raw):
    await cache.put([task := a_task()], KEPT)
    await raw.flushall()

    assert await cache.get([task.id]) == {}
    await cache.put([task], KEPT)
    assert await cache.get([task.id]) == {task.id: task}


async def test_a_script_that_the_server_forgot_is_loaded_again(cache, raw):
    await cache.put([a_task()], KEPT)
    await raw.script_flush()
    await cache.put([task := a_task()], KEPT)

    assert await cache.get([task.id]) == {task.id: task}


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"1.1 garbage", b"\xff\xfe", b"0.0 []", b"gon"])
async def test_garbage_under_our_key_is_not_held_and_is_written_over(cache, raw, garbage):
    task, neighbour = a_task(version=2), a_task()
    await raw.set(f"duly:task:{task.id.hex}", garbage)
    await cache.put([neighbour], KEPT)

    assert await cache.get([task.id, neighbour.id]) == {neighbour.id: neighbour}
    await cache.put([task], KEPT)
    assert await cache.get([task.id]) == {task.id: task}
    assert await raw.ttl(f"duly:task:{task.id.hex}") > 0


async def test_a_key_of_another_kind_is_not_held_and_is_written_over(cache, raw):
    await raw.rpush(f"duly:task:{(task := a_task()).id.hex}", "somebody's")

    assert await cache.get([task.id]) == {}
    await cache.put([task], KEPT)
    assert await cache.get([task.id]) == {task.id: task}


async def test_a_task_under_the_key_of_another_is_not_held(cache, raw):
    task, other = a_task(), a_task()
    await cache.put([task], KEPT)
    await raw.rename(f"duly:task:{task.id.hex}", f"duly:task:{other.id.hex}")

    assert await cache.get([other.id]) == {}


async def test_a_server_that_evicts_loses_reads_only(cache, raw):
    await raw.config_set("maxmemory-policy", "allkeys-lru")
    await raw.config_set("maxmemory", int((await raw.info("memory"))["used_memory"]) + 500_000)
    tasks = [a_task(payload="x" * 5_000) for _ in range(300)]
    for task in tasks:
        await cache.put([task], KEPT)

    held = await cache.get([task.id for task in tasks])
    assert 0 < len(held) < 300
    assert all(held[task.id] == task for task in tasks if task.id in held)
    assert "allkeys-lru" in await cache.check()


async def test_a_server_that_is_full_is_told(cache, raw):
    await raw.config_set("maxmemory", "1")

    with pytest.raises(CacheUnavailable, match="memory"):
        await cache.put([a_task()], KEPT)
    with pytest.raises(CacheUnavailable, match="memory"):
        await cache.drop([a_task().id], KEPT)


@pytest.mark.mistake(34)
async def test_a_server_that_was_killed_is_used_again_when_it_is_back(cache, redis):
    await cache.put([task := a_task()], KEPT)
    redis.kill()
    for ask in (
        lambda: cache.get([task.id]),
        lambda: cache.put([task], KEPT),
        lambda: cache.drop([task.id], KEPT),
        cache.check,
    ):
        with pytest.raises(CacheUnavailable):
            await ask()

    redis.start()
    await cache.put([task._replace(version=2)], KEPT)
    assert (await cache.get([task.id]))[task.id].version == 2


async def test_a_server_that_stands_still_is_given_up(cache, redis):
    async with open_redis_cache(redis.url, longest=timedelta(seconds=2)) as hasty:
        await hasty.put([task := a_task()], KEPT)
        redis.freeze()
        began = time.monotonic()
        with pytest.raises(CacheUnavailable):
            await hasty.get([task.id])
        assert time.monotonic() - began < 20
        redis.thaw()

    assert await cache.get([task.id]) == {task.id: task}


async def test_an_address_that_cannot_be_is_refused():
    with pytest.raises(Misconfigured, match="address"):
        async with open_redis_cache("http://127.0.0.1"):
            pass
