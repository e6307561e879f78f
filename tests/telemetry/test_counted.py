"""What the engine and its parts count while they work."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from duly.assembly import migrate, open_core
from duly.assembly_worker import work
from duly.brokers.memory import MemoryBroker
from duly.caches.memory import MemoryCache
from duly.domain import families
from duly.domain.errors import BrokerUnavailable, CacheUnavailable
from duly.domain.task import Task, TaskId
from duly.engine.lag import LagProbe
from duly.engine.submission import Submission
from duly.settings import Settings
from duly.stores.sql.open import open_sql_store
from duly.telemetry.counted import CountedAnnouncer, CountedCache
from duly.telemetry.exposition import exposition
from duly.telemetry.tally import PlainTally
from duly.testing import FakeClock
from tests.support.builders import NOON, a_task, a_task_id
from tests.support.scrape import samples
from tests.support.serving import eventually, handlers_of


class Away:
    """A cache and a broker that nobody reaches."""

    async def get(self, _: Collection[TaskId]) -> dict[TaskId, Task]:
        raise CacheUnavailable("away")

    async def depths(self, _: Collection[str]) -> dict[str, int]:
        raise BrokerUnavailable("away")


def shown(tally: PlainTally) -> dict[tuple[str, ...], float]:
    return samples(exposition(tally.figures(), "")[0].decode())


async def test_a_cache_counts_what_it_held_and_what_not():
    tally = PlainTally()
    cache = CountedCache(MemoryCache(FakeClock(NOON)), tally)
    task = a_task()
    await cache.put([task], timedelta(minutes=1))

    held = await cache.get([task.id, a_task_id()])

    assert list(held) == [task.id]
    assert shown(tally)["duly_cache_reads_total", "hit"] == 1
    assert shown(tally)["duly_cache_reads_total", "miss"] == 1
    assert shown(tally)["duly_part_up", "cache"] == 1


async def test_parts_that_are_away_are_told_to_be_and_to_be_back():
    tally, away = PlainTally(), Away()
    with pytest.raises(CacheUnavailable):
        await CountedCache(away, tally).get([a_task_id()])
    with pytest.raises(BrokerUnavailable):
        await CountedAnnouncer(away, tally).depths(["mail"])
    during = shown(tally)

    await CountedAnnouncer(MemoryBroker(), tally).depths(["mail"])

    assert (during["duly_part_up", "cache"], during["duly_part_up", "broker"]) == (0, 0)
    assert shown(tally)["duly_part_up", "broker"] == 1
    assert shown(tally)["duly_part_failures_total", "broker"] == 1


async def test_a_store_tells_how_long_its_calls_waited(tmp_path):
    url, waits = f"sqlite:///{tmp_path / 'duly.db'}", []
    await migrate(Settings(database_url=url))
    store = await open_sql_store(url, waited=waits.append)
    try:
        await store.tasks.add([a_task()])
    finally:
        await store.close()

    assert waits
    assert all(0 <= wait < 10 for wait in waits)


async def test_a_loop_that_is_blocked_is_seen_to_be_late():
    tally = PlainTally()
    loop = asyncio.get_running_loop()
    loop.call_later(0.45, partial(_block, loop, 0.3))

    await LagProbe(tally).step()

    found = shown(tally)
    assert found["duly_loop_lag_seconds_count",] == 1
    assert found["duly_loop_lag_seconds_sum",] > 0.1


def _block(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    until = loop.time() + seconds
    while loop.time() < until:
        pass


async def test_a_worker_counts_its_claims_waits_runs_and_outcomes(tmp_path):
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'duly.db'}", slots=10)
    await migrate(settings)

    async def halve(number: int) -> float:
        return 1 / (number - 1)

    async with open_core(settings, handlers_of(halve=halve), emit=lambda *_: None) as core:
        tasks = [Submission(type="halve", payload={"number": number}, max_attempts=1) for number in (1, 2, 3)]
        await core.service.tasks.submit_many(tasks)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(work(core, stop))
            found = await eventually(lambda: _settled(core, 3))
            stop.set()

    assert found["duly_settled_attempts_total", "completed", "default", "halve"] == 2
    assert found["duly_settled_attempts_total", "failed", "default", "halve"] == 1
    assert found["duly_claim_size_sum", "default"] == 3
    assert found["duly_claim_seconds_count",] >= found["duly_claim_size_count", "default"]
    assert 0 < found["duly_claim_seconds_sum",] < 20
    assert found["duly_wait_seconds_count", "default", "halve"] == 3
    assert found["duly_run_seconds_count", "default", "halve"] == 3
    assert found["duly_pool_wait_seconds_count",] > 0
    assert found["duly_sweep_age_seconds",] < 20


async def _settled(core: Any, number: int) -> dict[tuple[str, ...], float]:
    found = samples(exposition(await core.service.survey.figures(), "")[0].decode())
    name = families.SETTLED.name + "_total"
    return found if sum(value for key, value in found.items() if key[0] == name) == number else {}
