"""TaskStore.add: all or none, one live task a key, and an add may be repeated."""

from contextlib import suppress
from datetime import timedelta

import pytest

from duly.domain.errors import KeyTaken, RowInvalid
from duly.domain.fact import RetriedByHand, Returned
from duly.domain.state import FINAL, State
from tests.support.builders import NOON, a_task
from tests.support.moves import added, claims, decided, ended, now_stored, running

WIDE = "\U0001f600 \u00e9\u0301 \u4e2d\u6587"


async def test_a_task_is_stored_as_it_was_added(store):
    task = a_task(
        type="Text.Reverse",
        queue="Media",
        priority=9,
        payload='{"big": 123456789012345678901234567890, "b": 1, "a": "\\u0000\\ud83d\\ude00\\"\\\\"}',
        max_attempts=7,
        timeout=timedelta(days=3, microseconds=1),
        run_at=NOON + timedelta(days=400, microseconds=999_999),
        created_at=NOON - timedelta(microseconds=1),
        state=State.SCHEDULED,
        expires_at=NOON + timedelta(days=800, microseconds=1),
        key="Key 1",
        tags=("b", "a", WIDE, 'quote " and \\ slash', "b%_"),
        request_id="request-1",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )

    assert await store.tasks.add([task]) == [task]
    assert await store.tasks.get([task.id]) == {task.id: task}


@pytest.mark.parametrize("field", ["type", "queue", "key", "request_id"])
@pytest.mark.parametrize("text", [WIDE, "", " ", "x" * 200, "'; DROP TABLE duly_tasks; --", "a\tb\nc", "%_"])
async def test_names_keep_every_character(store, field, text):
    task = a_task(**{field: text})

    await store.tasks.add([task])

    assert await now_stored(store, task) == task


@pytest.mark.parametrize("kinds", [1, 3, 40])
@pytest.mark.parametrize("name", ["request-1", None, "", "a\x01b", "\x01"])
async def test_tasks_that_are_much_alike_keep_what_tells_them_apart(store, kinds, name):
    shared = [
        {"type": f"type-{n % 5}", "queue": f"queue-{n}", "priority": n % 10, "tags": ("a",) * n, "max_attempts": n + 1}
        for n in range(kinds)
    ]
    tasks = [
        a_task(
            **shared[n % kinds],
            payload=f"[{n}]",
            created_at=NOON + timedelta(microseconds=n),
            run_at=NOON + timedelta(microseconds=n),
            timeout=timedelta(seconds=1 + n % kinds),
            request_id=name if n == 1 else f"request-{n}",
            traceparent=f"trace-{n}" if n == 2 else None,
        )
        for n in range(41)
    ]

    await store.tasks.add(tasks)
    await store.tasks.add(tasks[:1])

    assert await store.tasks.get([task.id for task in tasks]) == {task.id: task for task in tasks}


async def test_adding_nothing_stores_nothing(store):
    assert await store.tasks.add([]) == []


async def test_a_full_batch_is_stored_in_order(store):
    tasks = [a_task(key=f"key-{n}" if n % 3 == 0 else None) for n in range(500)]

    assert await store.tasks.add(tasks[::-1]) == tasks[::-1]
    assert await store.tasks.get([task.id for task in tasks]) == {task.id: task for task in tasks}


async def test_a_key_gives_the_live_task_that_holds_it(store):
    holder = await added(store, key="invoice-7", payload="1")

    assert await store.tasks.add([a_task(key="invoice-7", payload="2")]) == [holder]
    assert await claims(store) == [await now_stored(store, holder)]


@pytest.mark.parametrize("state", [State.SCHEDULED, State.PENDING, State.RUNNING])
async def test_a_key_is_held_in_every_live_state(store, state):
    holder = await (running(store, key="k") if state is State.RUNNING else added(store, key="k", state=state))

    (found,) = await store.tasks.add([a_task(key="k")])

    assert (found.id, found.state) == (holder.id, state)


@pytest.mark.parametrize("state", sorted(FINAL))
async def test_a_key_is_free_again_when_its_holder_has_ended(store, state):
    await ended(store, state, key="k")
    successor = a_task(key="k")

    assert await store.tasks.add([successor]) == [successor]


async def test_a_key_is_held_again_by_a_task_that_was_retried_by_hand(store):
    task = await ended(store, State.FAILED, key="k")
    again = await decided(store, task, RetriedByHand())

    assert await store.tasks.add([a_task(key="k")]) == [again]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"key": "Key"}, {"key": "key"}),
        ({"key": "key"}, {"key": "key "}),
        ({"key": "é"}, {"key": "e"}),
        ({"key": "ß"}, {"key": "ss"}),
        ({"key": ""}, {"key": " "}),
        ({"type": "a", "key": "key"}, {"type": "b", "key": "key"}),
        ({"type": "Text", "key": "key"}, {"type": "text", "key": "key"}),
        ({"type": "text", "key": "key"}, {"type": "text ", "key": "key"}),
        ({"type": "a", "key": "bc"}, {"type": "ab", "key": "c"}),
    ],
)
async def test_keys_differ_by_every_character_and_by_type(store, one, other):
    tasks = [a_task(**one), a_task(**other)]

    assert await store.tasks.add(tasks[:1]) == tasks[:1]
    assert await store.tasks.add(tasks[1:]) == tasks[1:]


async def test_tasks_without_a_key_never_collide(store):
    tasks = [a_task(), a_task()]

    assert await store.tasks.add(tasks) == tasks


async def test_the_same_key_twice_in_a_batch_gives_one_task(store):
    first, second, other = a_task(key="k"), a_task(key="k"), a_task(key="l")

    assert await store.tasks.add([first, second, other]) == [first, first, other]
    assert await store.tasks.get([second.id]) == {}


@pytest.mark.mistake(47)
async def test_a_key_that_a_task_of_a_foreign_queue_holds_is_taken_and_nothing_is_added(store):
    await added(store, key="k", queue="theirs")
    keyless, keyed = a_task(queue="ours"), a_task(key="k", queue="ours")

    with pytest.raises(KeyTaken):
        await store.tasks.add([keyless, keyed], within={"ours"})

    assert await store.tasks.get([keyless.id, keyed.id]) == {}


async def test_a_key_that_a_task_of_an_own_queue_holds_gives_that_task(store):
    holder = await added(store, key="k", queue="ours")
    other = a_task(queue="ours")

    assert await store.tasks.add([other, a_task(key="k", queue="ours")], within={"ours"}) == [other, holder]


async def test_a_repeated_add_finds_what_it_stored(store):
    tasks = [a_task(), a_task(key="k")]
    await store.tasks.add(tasks)

    assert await store.tasks.add([*tasks, *tasks]) == [*tasks, *tasks]
    assert len(await claims(store)) == 2


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_repeated_add_leaves_the_task_as_it_has_become(store, key):
    task = a_task(key=key)
    await store.tasks.add([task])
    (claimed,) = await claims(store)

    assert await store.tasks.add([task]) == [claimed]
    assert await now_stored(store, task) == claimed


async def test_a_repeated_add_knows_its_own_task_although_the_key_has_passed_on(store):
    task = a_task(key="k")
    await store.tasks.add([task])
    (claimed,) = await claims(store)
    first = await decided(store, claimed, Returned(claimed.claim, "1"))
    second = await added(store, key="k")

    assert await store.tasks.add([task]) == [first]
    assert (await now_stored(store, second)).key == "k"


async def test_a_row_that_the_database_refuses_spoils_neither_its_batch_nor_the_store(store):
    good, bad = a_task(), a_task(request_id="nul \0 in it")

    with suppress(RowInvalid):
        await store.tasks.add([good, bad])
        assert await now_stored(store, bad) == bad
        return

    assert await store.tasks.get([good.id, bad.id]) == {}
    assert await store.tasks.add([good]) == [good]


async def test_json_text_with_nul_and_surrogates_escaped_is_stored_by_every_database(store):
    tasks = [
        a_task(payload=text)
        for text in ('"\\u0000"', '"\\ud800"', '{"a": 1, "a": 2}', "1e400", '"' + "x" * 99_999 + '"')
    ]

    await store.tasks.add(tasks)

    assert await store.tasks.get([task.id for task in tasks]) == {task.id: task for task in tasks}


async def test_two_tasks_that_were_added_are_two_rows(store):
    task = await added(store)
    other = await added(store)

    assert other._replace(id=task.id, id_text=task.id_text) == task
    assert len(await store.tasks.get([task.id, other.id])) == 2
