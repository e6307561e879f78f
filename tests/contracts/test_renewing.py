"""TaskStore.renew and TaskStore.cancelling: signs of life, and what they bring back."""

from datetime import timedelta

import pytest

from duly.domain.fact import CancelAsked, LeaseExpired
from duly.domain.state import FINAL, State
from duly.ports.store import Renewal
from tests.support.builders import LEASE, NOON, a_task_id, a_token
from tests.support.moves import added, claims, decided, ended, interrupted, now_stored, running

SECOND = timedelta(seconds=1)


async def test_a_renewal_prolongs_the_lease_and_changes_nothing_else(store, clock):
    task = await running(store)
    clock.advance(10 * SECOND)

    assert await store.tasks.renew([Renewal(task.id, task.claim)], LEASE) == {task.id: False}
    assert await now_stored(store, task) == task._replace(lease_until=NOON + 10 * SECOND + LEASE)


async def test_many_claims_are_renewed_at_once_and_the_lost_ones_are_missing(store, clock):
    held = [await running(store) for _ in range(3)]
    lost = await running(store)
    clock.advance(SECOND)

    renewals = [Renewal(task.id, task.claim) for task in held] + [Renewal(lost.id, a_token())]
    answer = await store.tasks.renew(renewals, 2 * LEASE)

    assert answer == {task.id: False for task in held}
    assert (await now_stored(store, held[2])).lease_until == NOON + SECOND + 2 * LEASE
    assert await now_stored(store, lost) == lost


async def test_a_renewal_tells_that_a_cancel_was_asked_for(store):
    task = await running(store)
    await decided(store, task, CancelAsked())

    assert await store.tasks.renew([Renewal(task.id, task.claim)], LEASE) == {task.id: True}


@pytest.mark.mistake(31)
async def test_an_expired_lease_that_nobody_swept_may_be_renewed(store, clock):
    task = await running(store)
    clock.advance(10 * LEASE)

    assert await store.tasks.renew([Renewal(task.id, task.claim)], LEASE) == {task.id: False}
    assert (await now_stored(store, task)).lease_until == NOON + 11 * LEASE
    assert await store.tasks.overdue(State.RUNNING, 10) == []


async def test_progress_is_replaced_and_counted(store):
    task = await running(store)

    for text in ('{"fraction": 0.1}', '{"fraction": 0.2, "text": "\\u0000"}'):
        await store.tasks.renew([Renewal(task.id, task.claim, text)], LEASE)
    await store.tasks.renew([Renewal(task.id, task.claim)], LEASE)

    stored = await now_stored(store, task)
    assert (stored.progress, stored.progress_seq) == ('{"fraction": 0.2, "text": "\\u0000"}', 2)
    assert stored.version == task.version


async def test_each_claim_of_a_batch_keeps_its_own_progress(store):
    one, other, silent = [await running(store) for _ in range(3)]

    await store.tasks.renew(
        [Renewal(one.id, one.claim, "1"), Renewal(other.id, other.claim, "2"), Renewal(silent.id, silent.claim)], LEASE
    )

    stored = await store.tasks.get([one.id, other.id, silent.id])
    assert [stored[t.id].progress for t in (one, other, silent)] == ["1", "2", None]
    assert [stored[t.id].progress_seq for t in (one, other, silent)] == [1, 1, 0]


async def test_a_renewal_under_another_token_of_the_same_attempt_is_refused(store, clock):
    task = await running(store)
    clock.advance(SECOND)

    assert await store.tasks.renew([Renewal(task.id, a_token(), "0.9")], LEASE) == {}
    assert await now_stored(store, task) == task


async def test_a_claim_that_was_lost_and_taken_again_is_not_renewed(store, clock):
    task = await running(store)
    clock.advance(LEASE)
    await decided(store, task, LeaseExpired(timedelta()))
    (again,) = await claims(store)

    assert await store.tasks.renew([Renewal(task.id, task.claim, "0.9")], LEASE) == {}
    assert await now_stored(store, task) == again


async def test_a_claim_that_was_put_back_is_not_renewed_although_its_token_stays(store):
    task = await interrupted(store)

    assert await store.tasks.renew([Renewal(task.id, task.claim, "0.9")], LEASE) == {}
    assert await now_stored(store, task) == task


@pytest.mark.parametrize("state", sorted(FINAL - {State.CANCELLED}))
async def test_what_has_ended_is_not_renewed(store, state):
    task = await ended(store, state)

    assert await store.tasks.renew([Renewal(task.id, task.claim, "0.9")], LEASE) == {}
    assert await now_stored(store, task) == task


async def test_what_never_was_is_not_renewed(store):
    assert await store.tasks.renew([Renewal(a_task_id(), a_token())], LEASE) == {}
    assert await store.tasks.renew([], LEASE) == {}


async def test_a_repeated_renewal_holds_again(store):
    task = await running(store)

    for _ in range(2):
        assert await store.tasks.renew([Renewal(task.id, task.claim)], LEASE) == {task.id: False}


async def test_whose_cancel_was_asked_for_is_found_among_those_that_run(store):
    asked, calm, waiting = await running(store), await running(store), await added(store)
    await decided(store, asked, CancelAsked())

    ids = [asked.id, calm.id, waiting.id, a_task_id()]

    assert await store.tasks.cancelling(ids) == {asked.id}
    assert await store.tasks.cancelling(ids[1:]) == set()
    assert await store.tasks.cancelling([]) == set()
