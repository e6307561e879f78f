"""The cache within a process is bounded."""

from datetime import timedelta

from duly.caches.memory import ENTRY_SIZE, MemoryCache
from duly.testing.clock import FakeClock
from tests.support.builders import NOON, a_task

KEPT = timedelta(minutes=1)


async def test_what_was_read_longest_ago_goes_first():
    cache = MemoryCache(FakeClock(NOON), max_size=3 * ENTRY_SIZE + 100)
    first, second, third, fourth = (a_task(payload="1") for _ in range(4))
    await cache.put([first, second, third], KEPT)
    await cache.get([first.id])
    await cache.put([fourth], KEPT)

    assert list(await cache.get([first.id, second.id, third.id, fourth.id])) == [first.id, third.id, fourth.id]


async def test_large_tasks_count_by_their_size():
    cache = MemoryCache(FakeClock(NOON), max_size=1_000_000)
    small = a_task()
    large = [a_task(payload="x" * 400_000, result="y" * 400_000) for _ in range(3)]
    await cache.put([small], KEPT)
    await cache.put(large, KEPT)

    assert await cache.get([small.id, *(task.id for task in large)]) == {large[2].id: large[2]}


async def test_a_task_that_is_larger_than_the_cache_is_not_held():
    cache = MemoryCache(FakeClock(NOON), max_size=1_000)
    await cache.put([task := a_task(payload="x" * 2_000)], KEPT)

    assert await cache.get([task.id]) == {}
    assert "0 tasks in about 0 of" in await cache.check()
