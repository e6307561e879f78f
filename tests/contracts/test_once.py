"""OnceStore: a key and its tasks commit together, and once."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text

from duly.domain.errors import KeyInFlight, KeyTaken
from duly.ports.once import Added, OnceKey, Seen
from tests.contracts.places import on
from tests.support.builders import NOON, a_task
from tests.support.databases import blocking_url

FINGERPRINT = "f" * 64


def a_key(key="key-1", scope="", fingerprint=FINGERPRINT):
    return OnceKey(scope, key, fingerprint)


async def test_a_new_key_adds_the_tasks(store):
    tasks = [a_task(), a_task()]

    added = await store.once.add(a_key(), tasks)

    assert added == Added(tuple(tasks))
    assert await store.tasks.get([task.id for task in tasks]) == {task.id: task for task in tasks}
    assert await store.once.seen("", "key-1") == Seen(FINGERPRINT, tuple(task.id for task in tasks))


async def test_a_key_that_is_there_adds_nothing_and_tells_what_came_of_it(store):
    first, second = a_task(), a_task()
    await store.once.add(a_key(), [first])

    again = await store.once.add(a_key(fingerprint="e" * 64), [second])

    assert again == Seen(FINGERPRINT, (first.id,))
    assert await store.tasks.get([second.id]) == {}


async def test_an_add_may_be_repeated_with_the_same_tasks(store):
    tasks = [a_task(), a_task()]

    assert await store.once.add(a_key(), tasks) == await store.once.add(a_key(), tasks) == Added(tuple(tasks))


async def test_a_task_whose_own_key_is_taken_is_remembered_as_the_one_that_holds_it(store):
    holder = a_task(key="order-1")
    await store.tasks.add([holder])

    added = await store.once.add(a_key(), [a_task(key="order-1")])

    assert added == Added((holder,))
    assert await store.once.seen("", "key-1") == Seen(FINGERPRINT, (holder.id,))


async def test_where_a_task_of_a_foreign_queue_holds_a_tasks_key_nothing_is_remembered(store):
    await store.tasks.add([a_task(key="order-1", queue="theirs")])

    with pytest.raises(KeyTaken):
        await store.once.add(a_key(), [a_task(key="order-1", queue="ours")], within={"ours"})

    assert await store.once.seen("", "key-1") is None


@pytest.mark.parametrize("other", [a_key("Key-1"), a_key("key-1 "), a_key(scope="somebody"), a_key("k" * 255)])
async def test_keys_and_scopes_differ_by_every_character(store, other):
    await store.once.add(a_key(), [a_task()])

    assert isinstance(await store.once.add(other, [a_task()]), Added)


async def test_a_thousand_tasks_stand_behind_one_key(store):
    tasks = [a_task() for _ in range(1000)]

    await store.once.add(a_key(), tasks)

    assert await store.once.seen("", "key-1") == Seen(FINGERPRINT, tuple(task.id for task in tasks))


async def added_or_seen(store):
    """As a client would: where the first of all took longer than the rest may wait for it, they try again."""
    while True:
        with suppress(KeyInFlight):
            return await store.once.add(a_key(), [a_task()])


@pytest.mark.mistake(3)
async def test_of_many_equal_adds_at_once_in_two_processes_one_adds(open_store):
    stores = [await open_store(), await open_store()]

    async with asyncio.TaskGroup() as group:
        adds = [group.create_task(added_or_seen(stores[n % 2])) for n in range(50)]

    outcomes = [add.result() for add in adds]
    added = [outcome for outcome in outcomes if isinstance(outcome, Added)]
    assert len(added) == 1
    assert {outcome.ids for outcome in outcomes if isinstance(outcome, Seen)} == {(added[0].tasks[0].id,)}
    assert len(await stores[0].tasks.claim("default", 100, "worker-1", timedelta(seconds=30))) == 1


async def test_old_keys_are_forgotten_the_oldest_first_and_their_tasks_stay(store, clock):
    tasks = [a_task() for _ in range(3)]
    for task in tasks:
        await store.once.add(a_key(f"key-{task.id}"), [task])
        clock.advance(timedelta(hours=1))
    clock.advance(timedelta(hours=22))

    dropped = [await store.once.forget(timedelta(hours=24), 1) for _ in range(3)]

    assert dropped == [1, 0, 0]
    assert await store.once.seen("", f"key-{tasks[0].id}") is None
    assert await store.once.seen("", f"key-{tasks[1].id}") is not None
    assert len(await store.tasks.get([task.id for task in tasks])) == 3


@on("postgresql", "mysql")
async def test_a_key_in_an_open_transaction_is_in_flight_after_a_second_and_nobody_else_waits(store, home):
    others = create_engine(blocking_url(home.url))
    with others.connect() as connection, connection.begin() as transaction:
        _insert_key(connection)
        took = [await _beside_one_in_flight(store, "other")]
        while min(took) >= 0.8 and len(took) < 10:  # being held up shows each time, a busy machine now and then
            took.append(await _beside_one_in_flight(store, f"other-{len(took)}"))
        transaction.rollback()
    others.dispose()

    assert min(took) < 0.8
    assert isinstance(await store.once.add(a_key(), [a_task()]), Added)


@on("sqlite", "postgresql", "mysql")
async def test_a_key_whose_transaction_dies_before_its_commit_is_free(store, home):
    others = create_engine(blocking_url(home.url))
    with others.connect() as connection, connection.begin() as transaction:
        _insert_key(connection)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(store.once.add(a_key(), [a_task()]))
            await asyncio.sleep(0.2)  # let it wait in the database
            transaction.rollback()
    others.dispose()

    assert isinstance(waiting.result(), Added)


def _insert_key(connection):
    moments = {"sqlite": 0, "postgresql": NOON}
    connection.execute(
        text(f"INSERT INTO duly_once VALUES ('', 'key-1', '{FINGERPRINT}', :ids, :at)"),  # noqa: S608  # our own words
        {"ids": a_task().id.hex, "at": moments.get(connection.dialect.name, NOON.replace(tzinfo=None))},
    )


async def _beside_one_in_flight(store, key):
    async with asyncio.TaskGroup() as group:
        group.create_task(_in_flight(store))
        began = time.monotonic()
        assert isinstance(await store.once.add(a_key(key), [a_task()]), Added)
        await store.tasks.add([a_task()])
        await store.tasks.add([a_task(key=key)])
        return time.monotonic() - began


async def _in_flight(store):
    with pytest.raises(KeyInFlight):
        await store.once.add(a_key(), [a_task()])
