"""GET /v1/tasks."""

from datetime import timedelta

import pytest

from duly.api.cursor import decode_cursor, encode_cursor
from duly.domain.errors import BadRequest
from duly.domain.state import State
from tests.support.builders import NOON, a_task_id
from tests.support.moves import added, ended, running
from tests.support.outage import Outage
from tests.support.serving import serving


async def _ids(api, query=""):
    response = await api.client.get(f"/v1/tasks{query}")
    assert response.status_code == 200, response.text
    return [task["id"] for task in response.json()["tasks"]]


async def test_tasks_are_listed_newest_first(api):
    old, new = await added(api.store), await added(api.store)

    response = await api.client.get("/v1/tasks")

    assert [task["id"] for task in response.json()["tasks"]] == [str(new.id), str(old.id)]
    assert response.json()["next"] is None
    assert "link" not in response.headers


@pytest.mark.mistake(40)
async def test_pages_follow_each_other_without_gap_or_repetition(api):
    tasks = [str((await added(api.store)).id) for _ in range(5)]

    seen, path = [], "/v1/tasks?limit=2&queue=default"
    while path:
        response = await api.client.get(path)
        seen += [task["id"] for task in response.json()["tasks"]]
        path = response.links["next"]["url"] if response.json()["next"] else None

    assert seen == tasks[::-1]


@pytest.mark.standard("RFC 8288", "3", "Link with rel=next leads to the next page.")
async def test_the_next_page_is_linked_with_the_same_filters(api):
    for _ in range(2):
        await added(api.store, tags=("a b",))

    response = await api.client.get("/v1/tasks", params={"limit": 1, "tag": "a b", "view": "basic"})

    cursor = response.json()["next"]
    assert (
        response.headers["link"]
        == f'</v1/tasks?limit=1&tag=a+b&view=basic&cursor={cursor.replace("=", "%3D")}>; rel="next"'
    )


@pytest.mark.parametrize(
    "query",
    [
        "?state=failed",
        "?type=other",
        "?queue=media",
        "?tag=x",
        "?key=order-1",
        "?created_after=2026-06-01T13:00:00Z",
        "?created_after=2026-06-01T15:00:00%2B02:00",
    ],
)
async def test_a_filter_leaves_only_what_fits(api, query):
    await added(api.store)
    fitting = await ended(
        api.store,
        State.FAILED,
        type="other",
        queue="media",
        tags=("x", "y"),
        key="order-1",
        created_at=NOON + timedelta(hours=1),
    )

    assert await _ids(api, query) == [str(fitting.id)]


async def test_created_before_is_exclusive_and_created_after_inclusive(api):
    task = await added(api.store)

    assert await _ids(api, "?created_after=2026-06-01T12:00:00.123456Z") == [str(task.id)]
    assert await _ids(api, "?created_before=2026-06-01T12:00:00.123456Z") == []


async def test_the_basic_view_leaves_out_payload_result_and_traceback(api):
    await ended(api.store, State.FAILED)

    (task,) = (await api.client.get("/v1/tasks?view=basic")).json()["tasks"]

    assert not {"payload", "result"} & task.keys()
    assert "traceback" not in task["error"]


async def test_the_full_view_is_the_default(api):
    await ended(api.store, State.FAILED)

    (plain,) = (await api.client.get("/v1/tasks")).json()["tasks"]
    (full,) = (await api.client.get("/v1/tasks?view=full")).json()["tasks"]

    assert plain == full
    assert plain["payload"] == {"text": "hello"}


async def test_a_list_says_of_each_task_why_it_waits(api):
    await added(api.store, queue="media")
    await running(api.store)

    waiting = [
        task["waiting"] and task["waiting"]["reason"] for task in (await api.client.get("/v1/tasks")).json()["tasks"]
    ]

    assert waiting == [None, "no_worker"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?state=done", "state is one of scheduled, pending"),
        ("?state=", "'state' is empty"),
        ("?state=failed&state=completed", "'state' is given twice"),
        ("?limit=0", "limit is a number from 1 to 200"),
        ("?limit=201", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=1e2", "limit"),
        ("?limit=" + "9" * 5000, "limit"),
        ("?limit=%D9%A3", "limit"),
        ("?created_after=yesterday", "created_after: a time is written as in"),
        ("?created_after=2026-06-01T12:00:00+02:00", "%2B"),
        ("?created_before=1780000000", "created_before"),
        ("?view=all", "view is full or basic"),
        ("?queue=a%00b", "NUL"),
        ("?offset=10", "There is no query parameter 'offset' here"),
        ("?cursor=abc", "cursor"),
        ("?cursor=" + "A" * 28, "cursor"),
        ("?cursor=" + "A" * 10_000, "cursor"),
        ("?cursor=%C3%A9", "cursor"),
    ],
)
async def test_a_bad_query_is_400_and_says_what_is_wrong(api, query, said):
    response = await api.client.get(f"/v1/tasks{query}")

    assert response.status_code == 400
    assert response.json()["code"] == "bad-request"
    assert said in response.json()["detail"]


def test_a_cursor_gives_its_position_back():
    assert decode_cursor(encode_cursor(a_task_id(7))) == a_task_id(7)


def test_a_cursor_does_not_show_the_id():
    assert str(a_task_id(7)) not in encode_cursor(a_task_id(7))


@pytest.mark.parametrize("place", range(28))
def test_a_cursor_that_was_changed_anywhere_is_refused(place):
    cursor = encode_cursor(a_task_id(7))
    other = "A" if cursor[place] != "A" else "B"

    with pytest.raises(BadRequest):
        decode_cursor(cursor[:place] + other + cursor[place + 1 :])


@pytest.mark.mistake(40)
async def test_a_long_page_asks_the_database_no_more_often_than_a_short_one(store, handlers):
    counted = Outage(store)
    async with serving(counted, handlers) as api:
        for _ in range(100):
            await added(store)
        await api.client.get("/v1/tasks?limit=1")  # what is asked once in a while has been asked

        asked = []
        for limit in (1, 100):
            counted.calls.clear()
            page = await api.client.get(f"/v1/tasks?limit={limit}")
            asked.append((len(page.json()["tasks"]), dict(counted.calls)))

    assert asked == [(1, {"page": 1}), (100, {"page": 1})]
