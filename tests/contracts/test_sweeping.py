"""TaskStore.overdue, soonest and unhandled: which tasks somebody must look at."""

from datetime import timedelta

import pytest

from duly.domain import fact as facts
from duly.domain.state import FINAL, Reason, State
from duly.ports.store import Renewal
from tests.support.builders import LEASE, NOON, WORKER
from tests.support.moves import a_change, added, claims, decided, ended, interrupted, now_stored, running

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


def _ids(tasks):
    return [task.id for task in tasks]


async def test_scheduled_tasks_are_overdue_once_their_time_has_come_the_longest_first(store, clock):
    late = await added(store, state=State.SCHEDULED, run_at=NOON + 2 * SECOND)
    early = await added(store, state=State.SCHEDULED, run_at=NOON + SECOND)
    await added(store, state=State.SCHEDULED, run_at=NOON + 2 * SECOND + TICK)
    assert await store.tasks.overdue(State.SCHEDULED, 10) == []

    clock.advance(2 * SECOND)

    assert await store.tasks.overdue(State.SCHEDULED, 10) == [early, late]
    assert await store.tasks.overdue(State.SCHEDULED, 1) == [early]


async def test_a_scheduled_task_is_overdue_when_it_expires_before_its_time(store, clock):
    task = await added(store, state=State.SCHEDULED, run_at=NOON + LEASE, expires_at=NOON + SECOND)
    clock.advance(SECOND)

    assert await store.tasks.overdue(State.SCHEDULED, 10) == [task]


async def test_pending_tasks_are_overdue_when_they_expire(store, clock):
    task = await added(store, expires_at=NOON + SECOND)
    await added(store, expires_at=NOON + SECOND + TICK)
    await added(store)
    clock.advance(SECOND)

    assert await store.tasks.overdue(State.PENDING, 10) == [task]


@pytest.mark.mistake(30)
async def test_running_tasks_are_overdue_when_their_lease_has_run_out(store, clock):
    first = await running(store)
    clock.advance(TICK)
    second = await running(store)

    clock.advance(LEASE - TICK)
    assert await store.tasks.overdue(State.RUNNING, 10) == [first]

    clock.advance(TICK)
    assert await store.tasks.overdue(State.RUNNING, 10) == [first, second]


@pytest.mark.mistake(31)
async def test_a_lease_that_was_renewed_after_the_sweep_looked_is_not_taken(store, clock):
    """A renewal raises no version, so the sweep took a task from a worker that had just given a sign of life."""
    await running(store)
    clock.advance(LEASE)
    (seen,) = await store.tasks.overdue(State.RUNNING, 10)
    await store.tasks.renew([Renewal(seen.id, seen.claim)], LEASE)
    change = a_change(store, seen, facts.LeaseExpired(timedelta()))

    assert await store.tasks.apply([change]) == [change]

    renewed = await now_stored(store, seen)
    assert (renewed.state, renewed.crashes, renewed.lease_until) == (State.RUNNING, 0, NOON + 2 * LEASE)


async def test_a_promoted_task_is_not_overdue_any_more(store):
    task = await added(store, state=State.SCHEDULED)

    await decided(store, task, facts.Due())

    assert await store.tasks.overdue(State.SCHEDULED, 10) == []
    assert _ids(await claims(store)) == [task.id]


@pytest.mark.parametrize("state", sorted(FINAL))
async def test_what_has_ended_is_never_overdue(store, clock, state):
    await ended(store, state, expires_at=NOON + SECOND)
    clock.advance(10 * LEASE)

    for every in State:
        assert await store.tasks.overdue(every, 10) == []


async def test_a_task_wakes_anew_after_each_change(store, clock):
    """Its time to wake follows from its state: a lease, a wait, an expiry, or nothing."""
    task = await running(store, expires_at=NOON + 10 * LEASE)
    clock.advance(LEASE)
    assert _ids(await store.tasks.overdue(State.RUNNING, 10)) == [task.id]

    snoozed = await decided(store, task, facts.Snoozed(task.claim, LEASE))
    assert await store.tasks.overdue(State.SCHEDULED, 10) == []
    clock.advance(LEASE)
    assert await store.tasks.overdue(State.SCHEDULED, 10) == [snoozed]

    await decided(store, snoozed, facts.Due())
    assert await store.tasks.overdue(State.PENDING, 10) == []
    clock.advance(8 * LEASE)
    assert _ids(await store.tasks.overdue(State.PENDING, 10)) == [task.id]


async def test_looking_at_overdue_tasks_changes_nothing(store, clock):
    task = await running(store)
    clock.advance(LEASE)

    await store.tasks.overdue(State.RUNNING, 10)

    assert await now_stored(store, task) == task


async def test_one_look_tells_how_soon_the_first_of_each_live_state_wakes(store, clock):
    assert await store.tasks.soonest() == {}
    await added(store)
    await added(store, expires_at=NOON - SECOND)
    await running(store, priority=9)
    assert await store.tasks.soonest() == {State.PENDING: -SECOND, State.RUNNING: LEASE}

    await added(store, state=State.SCHEDULED, run_at=NOON + 2 * SECOND + TICK)
    await added(store, state=State.SCHEDULED, run_at=NOON + 9 * SECOND)
    assert (await store.tasks.soonest())[State.SCHEDULED] == 2 * SECOND + TICK

    await added(store, state=State.SCHEDULED, run_at=NOON + 9 * SECOND, expires_at=NOON + SECOND)
    clock.advance(2 * SECOND)
    assert (await store.tasks.soonest())[State.SCHEDULED] == -SECOND


async def test_tasks_without_a_handler_are_found_by_their_types(store):
    waiting = {}
    for name in ("a", "b", "A", "b "):
        task = await running(store, type=name)
        waiting[name] = await decided(store, task, facts.Unhandled(task.claim, LEASE))
    await added(store, type="a")
    snoozed = await running(store, type="a", priority=9)
    await decided(store, snoozed, facts.Snoozed(snoozed.claim, LEASE))

    assert await store.tasks.unhandled(["a"], 10) == [waiting["a"]]
    assert sorted(_ids(await store.tasks.unhandled({"a", "b", "c"}, 10))) == sorted(_ids([waiting["a"], waiting["b"]]))
    assert len(await store.tasks.unhandled(["a", "b"], 1)) == 1
    assert await store.tasks.unhandled([], 10) == []
    assert waiting["a"].reason is Reason.NO_HANDLER


async def test_a_released_task_is_unhandled_no_longer(store):
    task = await running(store)
    waiting = await decided(store, task, facts.Unhandled(task.claim, LEASE))

    await decided(store, waiting, facts.RunNow())

    assert await store.tasks.unhandled([task.type], 10) == []


async def test_a_worker_that_lost_an_answer_finds_its_claims(store):
    mine = await running(store)
    other = await added(store)
    await store.tasks.claim("default", 1, "worker-2", LEASE)
    await interrupted(store, priority=9)

    assert await store.roster.claims(WORKER) == [mine]
    assert _ids(await store.roster.claims("worker-2")) == [other.id]
    assert await store.roster.claims("worker-3") == []
