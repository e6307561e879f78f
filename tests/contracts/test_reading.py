"""TaskStore.get and TaskStore.page: what is there, newest first, completely, and never twice."""

from datetime import timedelta

import pytest

from duly.domain import fact as facts
from duly.domain.query import MAX_LOOKED_AT, TaskQuery
from duly.domain.state import State
from tests.support.builders import LEASE, NOON, WORKER, a_failure, a_task, a_task_id
from tests.support.moves import added, decided, ended, running

SECOND = timedelta(seconds=1)


async def _all(store, query_size=3, **filters):
    """Every task that fits, page by page, as ids."""
    found, before, pages = [], None, 0
    while pages == 0 or before is not None:
        page = await store.tasks.page(TaskQuery(before=before, limit=query_size, **filters))
        assert len(page.tasks) <= query_size
        found.extend(task.id for task in page.tasks)
        before, pages = page.next, pages + 1
        assert pages < 1_000
    return found


async def test_those_that_exist_are_found_by_id(store):
    one, other = await added(store), await added(store)

    assert await store.tasks.get([other.id, a_task_id(), one.id, one.id]) == {one.id: one, other.id: other}
    assert await store.tasks.get([]) == {}
    assert await store.tasks.get({one.id}) == {one.id: one}


async def test_an_empty_store_has_one_empty_page(store):
    page = await store.tasks.page(TaskQuery())

    assert (page.tasks, page.next) == ((), None)


async def test_a_page_shows_the_newest_first(store):
    tasks = [a_task() for _ in range(5)]
    await store.tasks.add(tasks[::2] + tasks[1::2])

    page = await store.tasks.page(TaskQuery(limit=3))

    assert page.tasks == (tasks[4], tasks[3], tasks[2])
    assert page.next == tasks[2].id


@pytest.mark.parametrize("size", [1, 2, 3, 7, 200])
async def test_following_the_cursor_finds_every_task_once(store, size):
    tasks = [a_task() for _ in range(7)]
    await store.tasks.add(tasks)

    assert await _all(store, size) == [task.id for task in reversed(tasks)]


@pytest.mark.mistake(40)
async def test_tasks_that_are_added_meanwhile_neither_double_nor_hide_others(store):
    tasks = [a_task() for _ in range(9)]
    await store.tasks.add(tasks)
    found, before = [], None
    for _ in range(5):
        page = await store.tasks.page(TaskQuery(before=before, limit=2))
        found.extend(task.id for task in page.tasks)
        before = page.next
        await store.tasks.add([a_task(), a_task()])

    assert found == [task.id for task in reversed(tasks)]


async def test_a_page_is_filtered_by_state(store):
    made = {
        State.SCHEDULED: await added(store, state=State.SCHEDULED),
        State.COMPLETED: await ended(store, State.COMPLETED),
        State.FAILED: await ended(store, State.FAILED),
        State.CANCELLED: await ended(store, State.CANCELLED),
        State.RUNNING: await running(store),
        State.PENDING: await added(store),
    }

    for state, task in made.items():
        assert await _all(store, state=state) == [task.id]


async def test_only_tasks_of_some_queues_are_listed(store):
    tasks = [await added(store, queue=queue) for queue in ("a", "b", "A", "c")]

    assert await _all(store, queues=frozenset({"a", "c"})) == [tasks[3].id, tasks[0].id]
    assert await _all(store, queues=frozenset({"a", "c"}), queue="c") == [tasks[3].id]
    assert await _all(store, queues=frozenset({"a"}), queue="b") == []
    assert await _all(store, queues=frozenset()) == []


@pytest.mark.parametrize("field", ["type", "queue", "key"])
async def test_a_page_is_filtered_by_exact_names(store, field):
    names = ["media", "Media", "media ", "mediä", "medi%", "_edia", "mediae"]
    tasks = {name: await added(store, **{field: name}) for name in names}

    for name in names:
        assert await _all(store, **{field: name}) == [tasks[name].id]
    assert await _all(store, **{field: "other"}) == []


async def test_a_page_is_filtered_by_a_whole_tag(store):
    tags = [
        "red",
        "Red",
        "re",
        "red ",
        "r%",
        "r_d",
        '"red"',
        'a","b',
        "\\",
        "\\u0041",
        "A",
        "é",
        "\U0001f600",
        "a\nb",
        "[",
    ]
    tasks = {tag: await added(store, tags=("first", tag, "last")) for tag in tags}

    for tag in tags:
        assert await _all(store, tag=tag) == [tasks[tag].id]
    assert await _all(store, tag="b") == []
    assert len(await _all(store, tag="first")) == len(tags)


async def test_a_page_is_filtered_by_the_time_of_creation_from_inclusive_to_exclusive(store):
    tick = timedelta(microseconds=1)
    tasks = [await added(store, created_at=NOON + n * tick) for n in range(4)]

    assert await _all(store, created_after=NOON + tick) == [tasks[3].id, tasks[2].id, tasks[1].id]
    assert await _all(store, created_before=NOON + 2 * tick) == [tasks[1].id, tasks[0].id]
    assert await _all(store, created_after=NOON + tick, created_before=NOON + 3 * tick) == [tasks[2].id, tasks[1].id]


async def test_a_page_is_filtered_by_the_type_of_the_error(store):
    names = ["ValueError", "Value", "valueerror", 'a"b', "é", "%", "KeyError"]
    failed = {}
    for name in names:
        task = await running(store)
        failed[name] = await decided(store, task, facts.Raised(task.claim, a_failure(name, '"type": "KeyError"'), None))
    await ended(store, State.COMPLETED)

    for name in names:
        assert await _all(store, error_type=name) == [failed[name].id]
    assert await _all(store, error_type="TypeError") == []


async def test_all_filters_hold_together(store):
    fits = {"type": "a", "queue": "q", "key": "k", "tags": ("t",), "created_at": NOON}
    others = [{"type": "b"}, {"queue": "r"}, {"key": "l"}, {"tags": ()}, {"created_at": NOON - SECOND}]
    wanted = await added(store, **fits)
    for n, other in enumerate(others):
        await added(store, **(fits | {"key": f"k{n}"} | other))

    found = await _all(
        store,
        type="a",
        queue="q",
        key="k",
        tag="t",
        created_after=NOON,
        created_before=NOON + SECOND,
        state=State.PENDING,
    )

    assert found == [wanted.id]


async def test_a_filter_that_hardly_anything_fits_looks_at_a_limited_number_of_rows_and_still_finds_it(store):
    oldest = a_task(tags=("rare",))
    await store.tasks.add([oldest])
    for _ in range(MAX_LOOKED_AT // 500 + 1):
        await store.tasks.add([a_task() for _ in range(500)])

    first = await store.tasks.page(TaskQuery(tag="rare", limit=10))
    assert (first.tasks, first.next is not None) == ((), True)

    second = await store.tasks.page(TaskQuery(tag="rare", limit=10, before=first.next))
    assert (second.tasks, second.next) == ((oldest,), None)


async def test_a_task_is_on_its_page_as_it_is_now(store):
    task = await added(store)
    (claimed,) = await store.tasks.claim("default", 1, WORKER, LEASE)

    assert (await store.tasks.page(TaskQuery())).tasks == (claimed,)
    assert claimed.id == task.id
