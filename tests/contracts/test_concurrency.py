"""Several stores on one database at the same time, as several processes have them."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from duly.domain import fact as facts
from duly.domain.errors import KeyTaken
from duly.domain.state import State
from duly.domain.task import WorkerId
from duly.ports.store import Renewal
from tests.support.builders import LEASE, a_failure, a_task
from tests.support.moves import a_change, added, claims, decided, ended, kinds_of, now_stored, running

ROUNDS = 15


async def _together(*coroutines):
    async with asyncio.TaskGroup() as group:
        running_ = [group.create_task(coroutine) for coroutine in coroutines]
    return [one.result() for one in running_]


@pytest.mark.mistake(11)
async def test_claimers_at_the_same_time_never_share_a_task(open_store):
    stores = [await open_store() for _ in range(4)]

    for _ in range(ROUNDS):
        new = [a_task(priority=n % 2) for n in range(24)]
        await stores[0].tasks.add(new)
        taken = await _together(
            *(store.tasks.claim("default", 8, WorkerId(f"w{n}"), LEASE) for n, store in enumerate(stores))
        )

        counted = Counter(task.id for batch in taken for task in batch)
        assert set(counted.values()) <= {1}
        left = await claims(stores[0], limit=24)
        assert set(counted) | {task.id for task in left} == {task.id for task in new}


@pytest.mark.mistake(11)
async def test_every_task_is_claimed_once_while_claimers_race_for_few(open_store):
    stores = [await open_store() for _ in range(4)]

    for _ in range(ROUNDS):
        task = await added(stores[0])
        taken = await _together(
            *(store.tasks.claim("default", 5, WorkerId(f"w{n}"), LEASE) for n, store in enumerate(stores))
        )

        winners = [batch for batch in taken if batch]
        winners += [[late] for late in await claims(stores[0])]
        assert [[one.id for one in batch] for batch in winners] == [[task.id]]
        assert (await now_stored(stores[0], task)).attempt == 1


@pytest.mark.mistake(22)
async def test_of_settles_at_the_same_time_one_wins(open_store):
    stores = [await open_store() for _ in range(3)]

    for _ in range(ROUNDS):
        task = await running(stores[0])
        changes = [
            a_change(stores[0], task, facts.Snoozed(task.claim, LEASE)),
            a_change(stores[0], task, facts.Raised(task.claim, a_failure(), None)),
            a_change(stores[0], task, facts.CancelAsked()),
        ]
        lost = await _together(*(store.tasks.apply([change]) for store, change in zip(stores, changes, strict=True)))

        assert sorted(len(some) for some in lost) == [0, 1, 1]
        winner = changes[[len(some) for some in lost].index(0)]
        assert await now_stored(stores[0], task) == winner.after
        assert await kinds_of(stores[0], task) == [event.kind for event in winner.events]


async def test_batches_that_overlap_in_another_order_settle_each_task_once(open_store):
    one, other = await open_store(), await open_store()

    for _ in range(ROUNDS):
        await one.tasks.add([a_task() for _ in range(30)])
        taken = await claims(one, limit=30)
        mine = [a_change(one, task, facts.Returned(task.claim, "1")) for task in taken]
        theirs = [a_change(other, task, facts.Raised(task.claim, a_failure(), None)) for task in reversed(taken)]
        lost, lost_too = await _together(one.tasks.apply(mine), other.tasks.apply(theirs))

        assert len(lost) + len(lost_too) == 30
        stored = await one.tasks.get([task.id for task in taken])
        won = {change.after.id: change.after for change in [*mine, *theirs] if change not in [*lost, *lost_too]}
        assert stored == won


async def test_renewals_settles_and_claims_at_the_same_time_hurt_nobody(open_store):
    stores = [await open_store() for _ in range(3)]

    for _ in range(ROUNDS):
        await stores[0].tasks.add([a_task() for _ in range(20)])
        taken = await claims(stores[0], limit=10)
        renewals = [Renewal(task.id, task.claim, "0.5") for task in reversed(taken)]
        changes = [a_change(stores[1], task, facts.Returned(task.claim, "1")) for task in taken]
        _, lost, more = await _together(
            stores[0].tasks.renew(renewals, LEASE), stores[1].tasks.apply(changes), claims(stores[2], limit=10)
        )

        assert lost == []
        assert not {task.id for task in taken} & {task.id for task in more}
        stored = await stores[0].tasks.get([task.id for task in taken])
        assert {task.state for task in stored.values()} == {State.COMPLETED}
        assert {task.lease_until for task in stored.values()} == {None}
        assert await stores[0].tasks.overdue(State.RUNNING, 100) == []
        rest = [*more, *await claims(stores[0], limit=20)]
        await stores[0].tasks.apply([a_change(stores[0], task, facts.Stopped(task.claim)) for task in rest])


@pytest.mark.mistake(3)
async def test_adds_of_one_key_at_the_same_time_give_one_task(open_store):
    stores = [await open_store() for _ in range(4)]

    for number in range(ROUNDS):
        new = [a_task(key=f"key-{number}") for _ in stores]
        answers = await _together(*(store.tasks.add([task]) for store, task in zip(stores, new, strict=True)))

        (stored,) = {answer[0] for answer in answers}
        assert stored in new
        assert await stores[0].tasks.get([task.id for task in new]) == {stored.id: stored}


async def test_batches_with_the_same_keys_in_another_order_do_not_lock_each_other_out(open_store):
    one, other = await open_store(), await open_store()

    for number in range(ROUNDS):
        keys = [f"{number}-{n}" for n in range(20)]
        mine, theirs = [a_task(key=key) for key in keys], [a_task(key=key) for key in reversed(keys)]
        first, second = await _together(one.tasks.add(mine), other.tasks.add(theirs))

        assert {task.key: task.id for task in first} == {task.key: task.id for task in second}


async def test_an_add_that_is_repeated_while_it_is_under_way_adds_once(open_store):
    one, other = await open_store(), await open_store()

    for _ in range(ROUNDS):
        new = [a_task() for _ in range(10)]
        first, second = await _together(one.tasks.add(new), other.tasks.add(new))

        assert first == second == new


async def test_a_retry_by_hand_and_an_add_of_its_key_at_the_same_time_leave_one_live_task(open_store):
    one, other = await open_store(), await open_store()

    for number in range(ROUNDS):
        failed = await ended(one, State.FAILED, key=f"key-{number}")
        rival = a_task(key=f"key-{number}")
        retry = a_change(one, failed, facts.RetriedByHand())
        outcome, (stored,) = await _together(_or_taken(one.tasks.apply([retry])), other.tasks.add([rival]))

        live = [task for task in (await one.tasks.get([failed.id, rival.id])).values() if not task.final]
        assert [task.id for task in live] == [stored.id]
        assert (outcome == "taken") == (stored.id == rival.id)
        await decided(one, live[0], facts.CancelAsked())


async def _or_taken(applying):
    try:
        return await applying
    except KeyTaken:
        return "taken"


@pytest.mark.mistake(31)
async def test_sweeps_at_the_same_time_charge_a_crash_once(open_store, clock):
    one, other = await open_store(), await open_store()
    await one.tasks.add([a_task() for _ in range(20)])
    taken = await claims(one, limit=20)
    clock.advance(LEASE)

    await _together(_sweep(one), _sweep(other))

    stored = (await one.tasks.get([task.id for task in taken])).values()
    assert {(task.state, task.crashes, task.version) for task in stored} == {(State.PENDING, 1, 3)}


async def _sweep(store):
    expired = await store.tasks.overdue(State.RUNNING, 100)
    await store.tasks.apply([a_change(store, task, facts.LeaseExpired(timedelta())) for task in expired])


async def test_a_whole_day_of_several_workers_loses_nothing_and_settles_nothing_twice(open_store):
    stores = [await open_store() for _ in range(3)]
    new = [a_task(priority=n % 10) for n in range(300)]
    settled: Counter = Counter()

    await _together(
        *(stores[0].tasks.add(new[n::3]) for n in range(3)),
        *(_work(store, settled, len(new)) for store in stores),
    )

    assert settled == Counter(task.id for task in new)
    stored = await stores[0].tasks.get([task.id for task in new])
    assert {(task.state, task.attempt, task.version) for task in stored.values()} == {(State.COMPLETED, 1, 3)}


async def _work(store, settled, total):
    while sum(settled.values()) < total:
        taken = await claims(store, limit=7)
        changes = [a_change(store, task, facts.Returned(task.claim, "1")) for task in taken]
        lost = await store.tasks.apply(changes)
        settled.update(change.after.id for change in changes if change not in lost)
        await asyncio.sleep(0)
