"""The same answers over every store."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duly.domain.fact import Returned
from duly.engine.jsontext import encoded
from tests.contracts.places import KINDS, Place, place
from tests.support.moves import claims, decided
from tests.support.serving import Served, serving

TEXTS = st.text(max_size=40) | st.text("\0\x1f\x7f\u2028\ufffe\U0010ffff\\\"'%\u00e9\u0301", max_size=20)
NUMBERS = st.integers() | st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
"""All that JSON can carry: every character but a lone surrogate, numbers of any length, no NaN."""

HELLO = {"type": "text.reverse", "payload": {"text": "hello"}}


@pytest.fixture(scope="module", params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
async def api(home, clock, handlers) -> AsyncIterator[Served]:
    home.empty()
    store = await home.open(clock)
    try:
        async with serving(store, handlers) as served:
            yield served
    finally:
        await store.close()


async def test_a_task_goes_its_way_and_is_shown_alike(api):
    payload = '{"value":{"z":123456789012345678901234567890,"a":"\\u0000\\u00e9\\ud83d\\ude00","n":1.5}}'
    body = f'{{"type":"anything","payload":{payload},"tags":["a","ä"],"key":"K","delay":0}}'

    submitted = await api.client.post("/v1/tasks", content=body, headers={"content-type": "application/json"})
    (claimed,) = await claims(api.store)
    await decided(api.store, claimed, Returned(claimed.claim, '{"n":123456789012345678901234567890}'))
    shown = await api.client.get(submitted.headers["location"])
    result = await api.client.get(submitted.headers["location"] + "/result")
    story = await api.client.get(submitted.headers["location"] + "/events")

    assert f'"payload":{payload},"result":{{"n":123456789012345678901234567890}},' in shown.text
    assert shown.json() | {"id": None, "payload": None, "result": None} == {
        "id": None,
        "type": "anything",
        "queue": "default",
        "state": "completed",
        "reason": None,
        "priority": 5,
        "payload": None,
        "result": None,
        "error": None,
        "progress": None,
        "attempt": 1,
        "failures": 0,
        "max_attempts": 5,
        "run_at": "2026-06-01T12:00:00.123456Z",
        "created_at": "2026-06-01T12:00:00.123456Z",
        "started_at": "2026-06-01T12:00:00.123456Z",
        "finished_at": "2026-06-01T12:00:00.123456Z",
        "expires_at": None,
        "key": "K",
        "tags": ["a", "ä"],
        "version": 3,
        "waiting": None,
    }
    assert shown.headers["etag"] == 'W/"3.0"'
    assert result.text == '{"n":123456789012345678901234567890}'
    assert [event["kind"] for event in story.json()["events"]] == ["submitted", "claimed", "completed"]


@pytest.mark.mistake(4)
@given(st.lists(VALUES, min_size=1, max_size=40))
@settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
async def test_every_value_comes_back_as_it_was_sent_as_payload_and_as_result(api, values):
    batch = json.dumps({"tasks": [{"type": "anything", "payload": {"value": value}} for value in values]})
    submitted = await api.client.post("/v1/tasks/batch", content=batch, headers={"content-type": "application/json"})
    ids = [task["id"] for task in submitted.json()["tasks"]]
    claimed = await claims(api.store, limit=len(ids))
    for task in claimed:
        await decided(api.store, task, Returned(task.claim, encoded(values[ids.index(str(task.id))])))
    shown = [json.loads((await api.client.get(f"/v1/tasks/{task_id}")).content) for task_id in ids]
    results = [json.loads((await api.client.get(f"/v1/tasks/{task_id}/result")).content) for task_id in ids]

    # As text, because 1 == 1.0 == True, and -0.0 == 0.0.
    assert [json.dumps(task["payload"]["value"]) for task in shown] == [json.dumps(value) for value in values]
    assert [json.dumps(task["result"]) for task in shown] == [json.dumps(value) for value in values]
    assert [json.dumps(result) for result in results] == [json.dumps(value) for value in values]


async def test_a_key_gives_one_task(api):
    first = await api.client.post("/v1/tasks", json=HELLO | {"key": "order-1"})
    second = await api.client.post("/v1/tasks", json=HELLO | {"key": "order-1"})

    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()


@pytest.mark.mistake(3)
async def test_many_submits_of_one_key_at_once_give_one_task(api):
    async with asyncio.TaskGroup() as group:
        posts = [group.create_task(_post(api, HELLO | {"key": "order-1"})) for _ in range(20)]

    answers = [post.result() for post in posts]
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def _post(api, body):
    """Once more while another one with the same key is on its way for long."""
    while (answer := await api.client.post("/v1/tasks", json=body)).status_code == 409:
        assert answer.json()["code"] == "key-in-flight"
    return answer


@pytest.mark.mistake(46)
@pytest.mark.parametrize("text", ["' OR '1'='1", '"; DROP TABLE duly_tasks; --', "%", "_", "\\", "😀"])
async def test_a_filter_is_taken_literally(api, text):
    await api.client.post("/v1/tasks", json=HELLO | {"tags": ["a"], "key": "k"})

    for name in ("type", "queue", "tag", "key"):
        page = await api.client.get("/v1/tasks", params={name: text})

        assert page.status_code == 200
        assert page.json()["tasks"] == []


async def test_a_filter_tells_capitals_and_accents_apart(api):
    await api.client.post("/v1/tasks", json=HELLO | {"queue": "Média", "key": "Ä", "tags": ["Ä"]})

    for name, text in (("queue", "média"), ("queue", "Media"), ("key", "ä"), ("key", "A"), ("tag", "ä")):
        page = await api.client.get("/v1/tasks", params={name: text})

        assert page.json()["tasks"] == []


async def test_a_large_batch_is_listed_in_pages_without_gap_or_repetition(api):
    batch = await api.client.post("/v1/tasks/batch", json={"tasks": [HELLO] * 1000})
    submitted = [task["id"] for task in batch.json()["tasks"]]

    seen, path = [], "/v1/tasks?limit=200&view=basic&state=pending"
    while path:
        page = await api.client.get(path)
        seen += [task["id"] for task in page.json()["tasks"]]
        path = page.links["next"]["url"] if page.json()["next"] else None

    assert batch.status_code == 202
    assert seen == submitted[::-1]


async def test_a_task_is_cancelled_retried_and_deleted(api):
    location = (await api.client.post("/v1/tasks", json=HELLO | {"delay": 60})).headers["location"]

    cancelled = await api.client.post(f"{location}/cancel")
    retried = await api.client.post(f"{location}/retry")
    refused = await api.client.delete(location)
    await api.client.post(f"{location}/cancel")
    deleted = await api.client.delete(location)
    gone = await api.client.get(location)

    statuses = [answer.status_code for answer in (cancelled, retried, refused, deleted, gone)]
    assert statuses == [200, 200, 409, 204, 410]
    assert retried.json()["state"] == "pending"


async def test_a_queue_is_counted_and_paused(api):
    await api.client.post("/v1/tasks", json=HELLO)
    await api.store.queues.declare(["default"])

    paused = await api.client.post("/v1/queues/default/pause")
    stats = await api.client.get("/v1/stats?queues=default,other")

    assert paused.json()["paused"] is True
    assert paused.json()["pending"] == 1
    assert [queue["pending"] for queue in stats.json()["queues"]] == [1, 0]


async def test_the_service_is_ready_and_names_its_store(api, home):
    ready = await api.client.get("/health/ready")
    shown = await api.client.get("/v1/capabilities")

    assert ready.status_code == 200
    assert shown.json()["store"]["kind"] in (home.kind, "mariadb")
    assert shown.json()["durability"]


@pytest.mark.mistake(38)
async def test_ids_that_are_unknown_are_404(api):
    response = await api.client.get(f"/v1/tasks/{UUID(int=0)}")

    assert response.status_code == 404
    assert response.json()["code"] == "task-not-found"
