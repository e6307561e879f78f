"""TaskStore.claim: in order, each task once, under a token that is never used again."""

from datetime import timedelta

import pytest

from duly.domain.fact import Interrupted, LeaseExpired
from duly.domain.state import FINAL, Reason, State
from duly.domain.task import WorkerId
from duly.domain.transition import claimed
from tests.support.builders import LEASE, NOON, WORKER, a_task, a_task_id
from tests.support.moves import added, claims, decided, ended, interrupted, now_stored, running

SECOND = timedelta(seconds=1)


async def test_a_claim_leaves_the_task_as_the_rule_says(store, clock):
    task = await added(
        store, reason=Reason.WORKER_LOST, attempt=4, failures=2, crashes=1, version=9, key="k", tags=("t",)
    )
    clock.advance(SECOND)

    (taken,) = await store.tasks.claim("default", 1, WorkerId("worker-2"), LEASE)

    assert taken.token is not None
    assert taken == claimed(task, taken.token, WorkerId("worker-2"), NOON + SECOND, LEASE)
    assert await now_stored(store, task) == taken


async def test_tasks_are_claimed_by_priority_then_by_time_then_by_id(store):
    early = a_task(priority=5, run_at=NOON - SECOND)
    first, second = a_task(priority=5), a_task(priority=5)
    low, high = a_task(priority=0, run_at=NOON - 9 * SECOND), a_task(priority=9, run_at=NOON + SECOND)
    await store.tasks.add([second, low, first, high, early])

    taken = await claims(store)

    assert [task.id for task in taken] == [task.id for task in (high, early, first, second, low)]


async def test_a_small_claim_takes_what_is_first_in_that_order(store):
    later, sooner = a_task(priority=5, run_at=NOON + SECOND), a_task(priority=5, run_at=NOON)
    low, high = a_task(priority=0, run_at=NOON - SECOND), a_task(priority=9, run_at=NOON + 2 * SECOND)
    await store.tasks.add([low, later, sooner, high])

    taken = [await claims(store, limit=1) for _ in range(4)]

    assert [batch[0].id for batch in taken] == [high.id, sooner.id, later.id, low.id]


async def test_long_payloads_are_claimed_with_short_ones_in_the_same_order(store):
    urgent, usual, long = a_task(priority=9), a_task(), a_task(priority=7, payload='"' + "x" * 100_000 + '"')
    await store.tasks.add([usual, long, urgent])

    taken = await claims(store)

    assert [(task.id, task.payload) for task in taken] == [(task.id, task.payload) for task in (urgent, long, usual)]


async def test_a_claim_takes_no_more_than_its_limit(store):
    tasks = [a_task() for _ in range(7)]
    await store.tasks.add(tasks)

    taken = [await claims(store, limit=3) for _ in range(4)]

    assert [[t.id for t in batch] for batch in taken] == [
        [t.id for t in tasks[:3]],
        [t.id for t in tasks[3:6]],
        [t.id for t in tasks[6:]],
        [],
    ]


async def test_a_full_batch_is_claimed_at_once(store):
    tasks = [a_task(priority=n % 10) for n in range(500)]
    await store.tasks.add(tasks)

    taken = await claims(store, limit=500)

    assert {task.id for task in taken} == {task.id for task in tasks}
    assert await store.tasks.get([task.id for task in tasks]) == {task.id: task for task in taken}


async def test_only_the_queue_that_was_asked_for_is_claimed(store):
    names = ["media", "Media", "media ", "mediä", "mediae"]
    tasks = {name: await added(store, queue=name) for name in names}

    for name in names:
        assert [task.id for task in await claims(store, name)] == [tasks[name].id]


@pytest.mark.parametrize("state", [State.SCHEDULED, *sorted(FINAL)])
@pytest.mark.mistake(14)
async def test_only_pending_tasks_are_claimed(store, state):
    await (added(store, state=state) if state is State.SCHEDULED else ended(store, state))

    assert await claims(store) == []


async def test_a_running_task_is_not_claimed_again_even_when_its_lease_has_run_out(store, clock):
    await running(store)
    clock.advance(LEASE * 10)

    assert await claims(store) == []


async def test_a_paused_queue_gives_nothing_until_it_is_resumed(store):
    await store.queues.declare(["default", "other"])
    task, other = await added(store), await added(store, queue="other")

    await store.queues.pause("default", paused=True)
    assert await claims(store) == []
    assert [t.id for t in await claims(store, "other")] == [other.id]

    await store.queues.pause("default", paused=False)
    assert [t.id for t in await claims(store)] == [task.id]


async def test_a_task_past_its_expiry_is_not_claimed(store, clock):
    await added(store, expires_at=NOON + SECOND)
    later = await added(store, expires_at=NOON + SECOND + timedelta(microseconds=1))
    clock.advance(SECOND)

    assert [task.id for task in await claims(store)] == [later.id]


async def test_an_expired_task_does_not_stand_in_the_way_of_others(store, clock):
    await store.tasks.add([a_task(priority=9, expires_at=NOON) for _ in range(20)])
    ready = await added(store, priority=0)

    assert [task.id for task in await claims(store, limit=1)] == [ready.id]


async def test_every_claim_has_a_token_of_its_own(store):
    tokens = set()
    await added(store)
    for _ in range(5):
        (task,) = await claims(store)
        tokens.add(task.token)
        await decided(store, task, Interrupted(task.claim))

    assert len(tokens) == 5


async def test_tokens_of_two_tasks_of_one_worker_differ_from_claim_to_claim(store):
    first = await running(store)
    second = await running(store)

    assert first.token != second.token


async def test_a_claim_after_a_lost_lease_counts_on(store, clock):
    task = await running(store)
    clock.advance(LEASE)
    await decided(store, task, LeaseExpired(timedelta()))

    (again,) = await claims(store)

    assert (again.attempt, again.version, again.crashes) == (2, 4, 1)
    assert again.token != task.token


async def test_a_task_that_was_put_back_keeps_its_place(store):
    first = await interrupted(store)
    await added(store)

    assert [task.id for task in await claims(store, limit=1)] == [first.id]


async def test_progress_of_an_earlier_attempt_is_forgotten_visibly(store):
    task = await added(store, progress="0.5", progress_seq=3)

    (taken,) = await claims(store)

    assert (taken.progress, taken.progress_seq) == (None, 4)
    assert await now_stored(store, task) == taken


async def test_a_claim_changes_no_other_task(store):
    tasks = [await added(store, priority=n) for n in range(3)]

    await claims(store, limit=1)

    assert await store.tasks.get([t.id for t in tasks[:2]]) == {t.id: t for t in tasks[:2]}


async def test_a_claim_of_a_queue_that_nobody_declared_finds_its_tasks(store):
    task = await added(store, queue="undeclared")

    (taken,) = await claims(store, "undeclared")

    assert taken._replace(token=None).id == task.id
    assert await claims(store, "unknown") == []


@pytest.mark.mistake(15)
async def test_a_claim_among_hints_takes_only_those_that_still_wait_in_this_queue(store):
    hinted, running_, elsewhere = (
        await added(store),
        await running(store, priority=9),
        await added(store, queue="other"),
    )
    scheduled = await added(store, state=State.SCHEDULED)
    await added(store)
    hints = [running_.id, elsewhere.id, a_task_id(), scheduled.id, hinted.id, hinted.id]

    taken = await store.tasks.claim("default", 10, WORKER, LEASE, among=hints)

    assert [task.id for task in taken] == [hinted.id]
    assert await now_stored(store, hinted) == taken[0]
    assert await now_stored(store, elsewhere) == elsewhere
    assert await store.tasks.claim("default", 10, WORKER, LEASE, among=hints) == []


async def test_a_claim_among_hints_keeps_order_and_limit(store):
    tasks = [await added(store, priority=n) for n in range(4)]

    taken = await store.tasks.claim("default", 2, WORKER, LEASE, among={task.id for task in tasks[:3]})

    assert [task.id for task in taken] == [tasks[2].id, tasks[1].id]


async def test_a_claim_among_no_hints_takes_nothing(store):
    await added(store)

    assert await store.tasks.claim("default", 10, WORKER, LEASE, among=[]) == []


async def test_hints_open_neither_a_paused_queue_nor_an_expired_task(store):
    await store.queues.declare(["paused"])
    await store.queues.pause("paused", paused=True)
    held, expired = await added(store, queue="paused"), await added(store, expires_at=NOON)

    assert await store.tasks.claim("paused", 10, WORKER, LEASE, among=[held.id]) == []
    assert await store.tasks.claim("default", 10, WORKER, LEASE, among=[expired.id]) == []
