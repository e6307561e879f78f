"""What is written with a change: tasks that follow from it, and keys."""

import pytest

from duly.domain import fact as facts
from duly.domain.errors import KeyTaken
from duly.domain.event import Kind
from duly.domain.state import State
from tests.support.builders import a_failure, a_task
from tests.support.moves import a_change, added, decided, ended, kinds_of, now_stored, running


@pytest.mark.mistake(25)
async def test_what_follows_from_a_settle_is_added_with_it(store):
    task, child, other = await running(store), a_task(queue="duly.system"), a_task(key="k")
    change = a_change(store, task, facts.Returned(task.claim, "1"))._replace(adds=(child, other))

    assert await store.tasks.apply([change]) == []
    assert await store.tasks.get([child.id, other.id]) == {child.id: child, other.id: other}


async def test_an_added_task_whose_key_is_taken_is_left_out(store):
    holder, task = await added(store, key="k", priority=0), await running(store)
    child = a_task(key="k")
    change = a_change(store, task, facts.Returned(task.claim, "1"))._replace(adds=(child,))

    assert await store.tasks.apply([change]) == []
    assert await store.tasks.get([task.id, child.id, holder.id]) == {task.id: change.after, holder.id: holder}


async def test_a_task_that_follows_may_take_the_key_of_the_one_that_ends(store):
    task, child = await running(store, key="k"), a_task(key="k")
    change = a_change(store, task, facts.Returned(task.claim, "1"))._replace(adds=(child,))

    assert await store.tasks.apply([change]) == []
    assert await now_stored(store, child) == child


async def test_a_retry_by_hand_whose_key_lives_elsewhere_writes_nothing_at_all(store):
    task, mate = await ended(store, State.FAILED, key="k"), await running(store)
    holder = await added(store, key="k")
    retry = a_change(store, task, facts.RetriedByHand())._replace(adds=(a_task(),))
    settle = a_change(store, mate, facts.Raised(mate.claim, a_failure(), None))

    with pytest.raises(KeyTaken) as raised:
        await store.tasks.apply([settle, retry])

    assert (raised.value.type_name, raised.value.key) == (task.type, "k")
    assert await store.tasks.get([task.id, mate.id]) == {task.id: task, mate.id: mate}
    assert await kinds_of(store, mate) == []
    assert await kinds_of(store, task) == [Kind.FAILED]
    assert await store.tasks.get([retry.adds[0].id]) == {}
    assert await now_stored(store, holder) == holder


async def test_two_tasks_of_one_key_cannot_both_be_retried_by_hand(store):
    one, other = await ended(store, State.FAILED, key="k"), await ended(store, State.COMPLETED, key="k")
    changes = [a_change(store, task, facts.RetriedByHand()) for task in (one, other)]

    with pytest.raises(KeyTaken):
        await store.tasks.apply(changes)

    assert await store.tasks.get([one.id, other.id]) == {one.id: one, other.id: other}


async def test_a_retry_that_lost_its_race_takes_no_key(store):
    task = await ended(store, State.FAILED, key="k")
    stale = a_change(store, task, facts.RetriedByHand('"other"'))
    await decided(store, task, facts.RetriedByHand())

    assert await store.tasks.apply([stale]) == [stale]
