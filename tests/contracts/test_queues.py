"""QueueStore: pauses, depths, and what was counted."""

from datetime import timedelta

import pytest

from duly.domain.errors import QueueNotFound
from duly.domain.fact import RetriedByHand
from duly.domain.state import State
from duly.domain.stats import BOUNDS_MS, QueueDepth, QueueState
from tests.support.builders import NOON, a_histogram, a_task
from tests.support.moves import added, claims, decided, ended, interrupted, running

SECOND = timedelta(seconds=1)


async def test_declared_queues_are_known_by_name(store):
    assert await store.queues.states() == []

    await store.queues.declare(["media", "default", "Media", "media ", "médía"])
    await store.queues.declare({"media"})
    await store.queues.declare([])

    names = [state.name for state in await store.queues.states()]
    assert sorted(names) == sorted(["media", "default", "Media", "media ", "médía"])
    assert all(not state.paused and state.paused_at is None for state in await store.queues.states())


async def test_queues_are_ready_in_which_something_is_pending(store):
    await added(store, queue="a")
    await added(store, queue="paused")
    await added(store, queue="later", state=State.SCHEDULED, run_at=NOON + SECOND)
    await added(store, queue="unasked")
    await running(store, queue="busy")
    await store.queues.declare(["paused"])
    await store.queues.pause("paused", paused=True)

    assert await store.queues.ready(["a", "paused", "later", "busy", "none"]) == {"a", "paused"}
    assert await store.queues.ready([]) == set()


async def test_queues_are_listed_by_name(store):
    await store.queues.declare(["c", "a", "b"])

    assert [state.name for state in await store.queues.states()] == ["a", "b", "c"]


async def test_a_pause_is_seen_by_everybody_until_it_ends(open_store, clock):
    one, other = await open_store(), await open_store()
    await one.queues.declare(["default", "media"])
    clock.advance(SECOND)

    assert await one.queues.pause("media", paused=True) == QueueState("media", paused=True, paused_at=NOON + SECOND)
    assert await other.queues.states() == [
        QueueState("default", paused=False),
        QueueState("media", paused=True, paused_at=NOON + SECOND),
    ]
    assert await other.queues.pause("media", paused=False) == QueueState("media", paused=False)
    assert [state.paused for state in await one.queues.states()] == [False, False]


async def test_declaring_a_paused_queue_again_leaves_it_paused(store):
    await store.queues.declare(["default"])
    await store.queues.pause("default", paused=True)

    await store.queues.declare(["default", "other"])

    assert [(state.name, state.paused) for state in await store.queues.states()] == [
        ("default", True),
        ("other", False),
    ]


async def test_a_repeated_pause_stays_a_pause(store):
    await store.queues.declare(["default"])

    for paused in (True, True, False, False):
        assert (await store.queues.pause("default", paused=paused)).paused == paused


@pytest.mark.parametrize("name", ["unknown", "Default", "default "])
async def test_a_queue_that_nobody_declared_cannot_be_paused(store, name):
    await store.queues.declare(["default"])

    with pytest.raises(QueueNotFound):
        await store.queues.pause(name, paused=True)


async def test_after_a_pause_has_returned_no_claim_takes_a_task(open_store):
    one, other = await open_store(), await open_store()
    await one.queues.declare(["default"])
    await one.tasks.add([a_task() for _ in range(5)])

    for _ in range(5):
        await one.queues.pause("default", paused=True)
        assert await claims(other, limit=1) == []
        await one.queues.pause("default", paused=False)
        assert len(await claims(other, limit=1)) == 1


async def test_depths_count_live_tasks_only(store):
    for state in (State.COMPLETED, State.FAILED, State.CANCELLED):
        await ended(store, state)
        await ended(store, state, queue="done")
    await running(store)
    await interrupted(store, queue="media")
    await added(store, run_at=NOON - 2 * SECOND)
    await added(store, run_at=NOON - SECOND)
    await added(store, queue="later", state=State.SCHEDULED, run_at=NOON - 9 * SECOND)

    depths = {depth.queue: depth for depth in await store.queues.depths()}

    assert depths == {
        "default": QueueDepth("default", scheduled=0, pending=2, running=1, oldest_pending=NOON - 2 * SECOND),
        "later": QueueDepth("later", scheduled=1, pending=0, running=0, oldest_pending=None),
        "media": QueueDepth("media", scheduled=0, pending=1, running=0, oldest_pending=NOON),
    }


async def test_an_empty_store_has_no_depths(store):
    assert await store.queues.depths() == []


async def test_a_task_that_was_retried_by_hand_has_been_ready_since_then(store, clock):
    task = await ended(store, State.FAILED)
    clock.advance(SECOND)
    await decided(store, task, RetriedByHand())

    assert [depth.oldest_pending for depth in await store.queues.depths()] == [NOON + SECOND]


async def test_tasks_that_nobody_claimed_for_a_while_are_told_in_the_order_of_claims(store, clock):
    old, urgent = await added(store), await added(store, priority=9)
    clock.advance(2 * SECOND)
    await added(store, run_at=NOON + SECOND)
    await added(store, queue="other")
    await added(store, state=State.SCHEDULED)
    await running(store, queue="busy")

    assert await store.queues.unclaimed("default", 1.5 * SECOND, 10) == [(urgent.id, 9), (old.id, 5)]
    assert await store.queues.unclaimed("default", 1.5 * SECOND, 1) == [(urgent.id, 9)]
    assert await store.queues.unclaimed("busy", SECOND, 10) == []


def _sorted(histograms):
    return sorted(histograms, key=lambda histogram: (histogram.at, histogram.process, histogram.queue))


async def test_what_processes_counted_is_kept_apart_by_process_queue_and_interval(store):
    buckets = len(BOUNDS_MS) + 1
    counted = [
        a_histogram(
            process="p1", submitted=1, completed=2, failed=3, waits=tuple(range(buckets)), runs=(2**40,) * buckets
        ),
        a_histogram(process="p2"),
        a_histogram(process="P1"),
        a_histogram(process="p1", queue="media"),
        a_histogram(process="p1", at=NOON + timedelta(microseconds=1)),
    ]

    await store.queues.add_rates(counted)
    await store.queues.add_rates([])

    assert _sorted(await store.queues.rates(SECOND)) == _sorted(counted)


async def test_counts_that_are_sent_again_replace_what_was_kept(store):
    await store.queues.add_rates([a_histogram(submitted=1), a_histogram(queue="media", submitted=5)])
    again = a_histogram(submitted=2, completed=1)

    await store.queues.add_rates([again])

    assert _sorted(await store.queues.rates(SECOND)) == _sorted([again, a_histogram(queue="media", submitted=5)])


async def test_rates_are_those_of_the_time_that_was_asked_for(store, clock):
    counted = [a_histogram(at=NOON + n * SECOND) for n in range(4)]
    await store.queues.add_rates(counted)
    clock.advance(3 * SECOND)

    assert _sorted(await store.queues.rates(1.5 * SECOND)) == counted[2:]


async def test_old_counts_are_dropped(store, clock):
    counted = [a_histogram(at=NOON + n * SECOND) for n in range(4)]
    await store.queues.add_rates(counted)
    clock.advance(3 * SECOND)

    assert await store.queues.drop_rates(1.5 * SECOND) == 2
    assert _sorted(await store.queues.rates(10 * SECOND)) == counted[2:]
    assert await store.queues.drop_rates(1.5 * SECOND) == 0
