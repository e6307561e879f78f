"""Store: what it says of itself, its clock, and its end."""

from datetime import timedelta

import pytest

from duly.domain.errors import Misconfigured
from duly.domain.transition import Change
from tests.contracts.places import on
from tests.support.builders import NOON, a_task, a_task_id
from tests.support.moves import added, now_stored


async def test_a_store_says_what_it_is(store, home):
    facts = await store.facts()

    assert facts.kind in {"memory", "sqlite", "postgresql", "mysql", "mariadb"}
    assert facts.kind == home.kind or (home.kind, facts.kind) == ("mysql", "mariadb")
    assert facts.version
    assert len(facts.durability.split()) > 3


async def test_a_store_that_works_passes_its_check_and_leaves_nothing_behind(store):
    await store.check()
    await store.check()

    assert await store.queues.states() == []
    assert await store.queues.depths() == []


async def test_a_store_follows_the_clock_that_it_was_given(store, clock):
    clock.advance(timedelta(days=365))

    assert store.clock.now() == NOON + timedelta(days=365)


async def test_what_one_store_wrote_another_reads(open_store):
    one, other = await open_store(), await open_store()

    task = await added(one)

    assert await now_stored(other, task) == task


async def test_what_was_written_outlives_the_store(open_store):
    store = await open_store()
    task = await added(store)
    await store.close()

    assert await now_stored(await open_store(), task) == task


async def test_a_store_may_be_closed_twice(open_store):
    store = await open_store()

    await store.close()
    await store.close()


@on("memory")
async def test_memory_says_which_stores_can_join_a_transaction(store):
    task = a_task()

    with pytest.raises(Misconfigured, match="Use SQLite, PostgreSQL, MySQL or MariaDB"):
        await store.joined.add(object(), task, list)
    with pytest.raises(Misconfigured):
        store.joined.add_blocking(object(), task, list)
    with pytest.raises(Misconfigured):
        await store.joined.settle(object(), task.id, lambda seen: Change(seen, seen), list)
    with pytest.raises(Misconfigured):
        store.joined.settle_blocking(object(), a_task_id(), lambda seen: Change(seen, seen), list)
