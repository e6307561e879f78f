"""Roster: who is alive."""

from dataclasses import replace
from datetime import timedelta

from duly.ports.store import MAX_COUNTED
from tests.support.builders import NOON, a_worker

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


async def test_a_worker_that_beats_is_alive_with_all_that_it_said(store, clock):
    worker = a_worker(host="host é", queues=("default", "media"), types=("a", "b"), slots=50, running=7)
    clock.advance(SECOND)

    await store.roster.beat(worker, MINUTE)

    assert await store.roster.alive(SECOND) == [replace(worker, seen_at=NOON + SECOND)]


async def test_a_beat_replaces_the_one_before(store, clock):
    await store.roster.beat(a_worker(running=1), MINUTE)
    clock.advance(SECOND)

    await store.roster.beat(a_worker(running=2, queues=()), MINUTE)

    assert await store.roster.alive(SECOND / 2) == [a_worker(running=2, queues=(), seen_at=NOON + SECOND)]


async def test_a_beat_tells_how_many_are_alive(store, clock):
    assert await store.roster.beat(a_worker(id="w1"), MINUTE) == 1
    clock.advance(40 * SECOND)
    assert await store.roster.beat(a_worker(id="w2"), MINUTE) == 2
    assert await store.roster.beat(a_worker(id="w2"), MINUTE) == 2
    clock.advance(40 * SECOND)

    assert await store.roster.beat(a_worker(id="w3"), MINUTE) == 2


async def test_a_beat_counts_no_further_than_the_limit(store):
    for number in range(MAX_COUNTED):
        await store.roster.beat(a_worker(id=f"w{number}"), MINUTE)

    assert await store.roster.beat(a_worker(id="one more"), MINUTE) == MAX_COUNTED


async def test_the_oldest_worker_comes_first(store):
    young, old = a_worker(id="w1", started_at=NOON), a_worker(id="w2", started_at=NOON - SECOND)

    await store.roster.beat(young, MINUTE)
    await store.roster.beat(old, MINUTE)

    assert await store.roster.alive(SECOND) == [old, young]


async def test_a_silent_worker_is_not_alive(store, clock):
    await store.roster.beat(a_worker(id="silent"), MINUTE)
    clock.advance(10 * SECOND)
    await store.roster.beat(a_worker(id="lively"), MINUTE)

    assert [worker.id for worker in await store.roster.alive(5 * SECOND)] == ["lively"]
    assert len(await store.roster.alive(60 * SECOND)) == 2


async def test_a_worker_that_left_is_gone_at_once(store):
    await store.roster.beat(a_worker(id="w1"), MINUTE)
    await store.roster.beat(a_worker(id="W1"), MINUTE)

    for _ in range(2):
        await store.roster.leave("w1")

    assert [worker.id for worker in await store.roster.alive(SECOND)] == ["W1"]


async def test_silent_workers_are_buried(store, clock):
    await store.roster.beat(a_worker(id="silent"), MINUTE)
    clock.advance(10 * SECOND)
    await store.roster.beat(a_worker(id="lively"), MINUTE)

    assert await store.roster.bury(5 * SECOND) == 1
    assert await store.roster.bury(5 * SECOND) == 0
    assert [worker.id for worker in await store.roster.alive(60 * SECOND)] == ["lively"]
