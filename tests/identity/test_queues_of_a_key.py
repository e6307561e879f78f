"""A key that is restricted to queues sees and touches only those."""

import json
from datetime import timedelta

import pytest

from duly.domain.fact import Raised
from duly.domain.identity import Scope
from tests.support.builders import a_failure, a_worker
from tests.support.moves import decided, running


@pytest.fixture
async def media(api):
    """A key for everything, in one queue."""
    return await api.key(queues=["media", "sound"])


@pytest.mark.mistake(47)
@pytest.mark.parametrize(
    "route",
    [
        "GET /v1/tasks/{}",
        "GET /v1/tasks/{}/result",
        "GET /v1/tasks/{}/events",
        "POST /v1/tasks/{}/cancel",
        "POST /v1/tasks/{}/retry",
        "DELETE /v1/tasks/{}",
    ],
)
async def test_a_task_of_another_queue_is_404_whatever_is_asked_of_it(api, media, route):
    other = await api.submit(queue="default")
    method, _, path = route.format(other).partition(" ")

    answer = await api.ask(method, path, media)

    assert (answer.status_code, answer.json()["code"]) == (404, "task-not-found")
    unknown = "01936b1c-6a3e-7d1b-9c3e-2f6d1c0a9b55"
    nobody = await api.ask(method, path.replace(other, unknown), media)
    assert json.loads(nobody.text.replace(unknown, other)) == answer.json()


async def test_a_task_of_its_own_queue_is_there(api, media):
    own = await api.submit(queue="media")

    assert (await api.ask("GET", f"/v1/tasks/{own}", media)).status_code == 200
    assert (await api.ask("POST", f"/v1/tasks/{own}/cancel", media)).status_code == 200


async def test_a_task_that_is_gone_is_404_because_nobody_knows_whose_it_was(api, media):
    own = await api.submit(queue="media")
    await api.ask("POST", f"/v1/tasks/{own}/cancel", media)
    await api.ask("DELETE", f"/v1/tasks/{own}", media)

    assert (await api.ask("GET", f"/v1/tasks/{own}", media)).json()["code"] == "task-not-found"


@pytest.mark.parametrize(
    ("query", "queues"), [("", {"media", "sound"}), ("?queue=media", {"media"}), ("?queue=default", set())]
)
async def test_a_list_has_only_its_own(api, media, query, queues):
    for queue in ("default", "media", "sound"):
        await api.submit(queue=queue)

    page = (await api.ask("GET", f"/v1/tasks{query}", media)).json()

    assert {task["queue"] for task in page["tasks"]} == queues


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/tasks", {"type": "text.reverse", "payload": {"text": "a"}}),
        ("/v1/tasks", {"type": "text.reverse", "payload": {"text": "a"}, "queue": "other"}),
        (
            "/v1/tasks/batch",
            {
                "tasks": [
                    {"type": "text.reverse", "payload": {"text": "a"}, "queue": "media"},
                    {"type": "text.reverse", "payload": {"text": "a"}},
                ]
            },
        ),
    ],
)
async def test_a_submit_to_another_queue_is_403_and_adds_nothing(api, media, path, body):
    answer = await api.ask("POST", path, media, json=body)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await api.ask("GET", "/v1/tasks", await api.key())).json()["tasks"] == []


async def test_a_key_held_by_a_task_of_another_queue_is_taken_and_shows_nothing_of_it(api, media):
    await api.submit(queue="default", key="order-1")

    body = {"type": "text.reverse", "payload": {"text": "a"}, "queue": "media", "key": "order-1"}
    answer = await api.ask("POST", "/v1/tasks", media, json=body)

    assert (answer.status_code, answer.json()["code"]) == (409, "key-taken")


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "1"}])
async def test_a_batch_with_a_key_held_by_a_task_of_another_queue_is_refused_whole_and_shows_nothing(
    api, media, headers
):
    """The batch was accepted, and answered with the state, the tags and the error of a task that is somebody else's."""
    held = await api.submit(queue="default", key="order-1", tags=["private"])
    one = {"type": "text.reverse", "payload": {"text": "a"}, "queue": "media"}

    answer = await api.ask(
        "POST", "/v1/tasks/batch", media, json={"tasks": [one, one | {"key": "order-1"}]}, headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "key-taken")
    assert held not in answer.text
    assert (await api.ask("GET", "/v1/tasks", media)).json()["tasks"] == []


@pytest.mark.parametrize(("path", "wrap"), [("/v1/tasks", dict), ("/v1/tasks/batch", lambda one: {"tasks": [one]})])
async def test_a_submitter_who_may_not_read_sees_no_payload_of_the_task_that_holds_the_key(api, path, wrap):
    """Sent a second time under an Idempotency-Key, the submit was answered with all of it, payload and result."""
    await api.submit(key="order-1", payload={"text": "private"})
    body = wrap({"type": "text.reverse", "payload": {"text": "a"}, "key": "order-1"})
    key, name = await api.key(Scope.SUBMIT), {"idempotency-key": "1"}

    answers = [await api.ask("POST", path, key, json=body, headers=headers) for headers in ({}, name, name)]

    assert answers[-1].headers["idempotency-replayed"] == "true"
    assert all(answer.is_success for answer in answers)
    assert all("private" not in answer.text for answer in answers)


async def test_queues_stats_and_workers_show_only_its_own(api, media):
    for queue in ("default", "media"):
        await api.submit(queue=queue)
    await api.service.store.roster.beat(a_worker(id="w1", queues=("default", "media")), timedelta(minutes=1))
    await api.service.store.roster.beat(a_worker(id="w2", queues=("default",)), timedelta(minutes=1))

    queues = (await api.ask("GET", "/v1/queues", media)).json()["queues"]
    stats = (await api.ask("GET", "/v1/stats?queues=default,media", media)).json()["queues"]
    workers = (await api.ask("GET", "/v1/workers", media)).json()["workers"]

    assert [queue["name"] for queue in queues] == ["media"]
    assert [queue["name"] for queue in stats] == ["media"]
    assert [(worker["id"], worker["queues"]) for worker in workers] == [("w1", ["media"])]


@pytest.mark.parametrize("route", ["GET /v1/queues/default", "POST /v1/queues/default/pause"])
async def test_another_queue_is_not_there(api, media, route):
    await api.submit(queue="default")

    answer = await api.ask(*route.split(" "), media)

    assert (answer.status_code, answer.json()["code"]) == (404, "queue-not-found")


async def test_a_key_for_no_queue_sees_nothing(api):
    nothing = await api.key(queues=[])
    await api.submit()

    assert (await api.ask("GET", "/v1/tasks", nothing)).json()["tasks"] == []
    assert (await api.ask("GET", "/v1/queues", nothing)).json()["queues"] == []


@pytest.mark.parametrize(("scopes", "shown"), [([Scope.READ], False), ([Scope.READ, Scope.CONTROL], True)])
async def test_a_traceback_is_for_those_who_may_control_tasks(api, scopes, shown):
    begun = await running(api.service.store)
    failure = a_failure(traceback="Traceback of the inside", retryable=False)
    await decided(api.service.store, begun, Raised(begun.claim, failure, None))
    key = await api.key(*scopes)

    answers = [await api.ask("GET", path, key) for path in (f"/v1/tasks/{begun.id}", "/v1/tasks")]
    answers.append(await api.ask("GET", f"/v1/tasks/{begun.id}/result", key))

    assert [("of the inside" in answer.text) for answer in answers] == [shown] * 3


async def test_two_identities_may_use_the_same_idempotency_key(api):
    body = {"type": "text.reverse", "payload": {"text": "a"}}
    one, two = await api.key(), await api.key()

    ids = [
        (await api.ask("POST", "/v1/tasks", key, json=body, headers={"idempotency-key": "1"})).json()["id"]
        for key in (one, two, one)
    ]

    assert ids[0] == ids[2] != ids[1]
