"""callback_url over HTTP, and a whole service that calls back."""

import asyncio
import json
from contextlib import asynccontextmanager
from uuid import UUID

import jsonschema
import pytest
from standardwebhooks import Webhook

from duly import Duly, Settings
from duly.domain.state import State
from duly.engine.callback_rules import CallbackRules
from duly.engine.limits import Limits
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.wire.callback import CallbackEvent
from tests.support.moves import claims, ended
from tests.support.receiver import receiving
from tests.support.serving import serving
from tests.support.stage import RealClock

URL = "https://receiver.example/done"
SECRET = "whsec_" + "c2VjcmV0LW9uZS0wMDAwMDAwMDAwMDAwMDAwMDAwMDA="
HELLO = {"type": "text.reverse", "payload": {"text": "hello"}}


@pytest.fixture
async def calling(store, handlers):
    async with serving(store, handlers, limits=Limits(callbacks=CallbackRules(enabled=True))) as served:
        yield served


async def test_a_callback_is_stored_with_its_task_and_not_shown(calling):
    task = await calling.submit(callback_url=URL)

    (stored,) = (await calling.store.tasks.get([UUID(task["id"])])).values()
    assert stored.callback_url == URL
    assert URL not in json.dumps(task)


async def test_each_task_of_a_batch_has_its_own_callback(calling):
    tasks = [HELLO | {"callback_url": f"{URL}/{n}"} for n in range(3)]
    response = await calling.client.post("/v1/tasks/batch", json={"tasks": tasks})

    found = await calling.store.tasks.get([UUID(task["id"]) for task in response.json()["tasks"]])
    assert sorted(task.callback_url for task in found.values()) == [f"{URL}/{n}" for n in range(3)]


@pytest.mark.mistake(47)
@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::ffff:10.0.0.1]/", "file:///etc/passwd", "x", ""])
async def test_a_callback_that_is_obviously_wrong_is_422_with_its_pointer(calling, url):
    one = await calling.client.post("/v1/tasks", json=HELLO | {"callback_url": url})
    batch = await calling.client.post("/v1/tasks/batch", json={"tasks": [HELLO, HELLO | {"callback_url": url}]})

    assert (one.status_code, one.json()["code"]) == (422, "invalid")
    assert [flaw["pointer"] for flaw in one.json()["errors"]] == ["/callback_url"]
    assert [flaw["pointer"] for flaw in batch.json()["errors"]] == ["/tasks/1/callback_url"]
    assert (await calling.client.get("/v1/tasks")).json()["tasks"] == []


@pytest.mark.parametrize("value", [17, ["https://receiver.example/"], {"url": URL}, "https://receiver.example/\0"])
async def test_a_callback_that_is_no_text_is_422(calling, value):
    response = await calling.client.post("/v1/tasks", json=HELLO | {"callback_url": value})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/callback_url"


async def test_without_a_secret_a_callback_is_refused_with_what_to_do(api):
    response = await api.client.post("/v1/tasks", json=HELLO | {"callback_url": URL})

    assert response.status_code == 422
    assert "DULY_CALLBACK_SECRETS" in response.json()["errors"][0]["detail"]


async def test_deliveries_are_no_type_that_anybody_submits(calling):
    forged = {"type": "duly.callback", "payload": {"url": URL, "event": {}}}

    assert (await calling.client.post("/v1/tasks", json=forged)).json()["code"] == "unknown-type"
    assert (await calling.client.get("/v1/types/duly.callback")).status_code == 404
    assert (await calling.client.post("/v1/tasks", json=HELLO | {"queue": "duly.system"})).status_code == 422


async def test_deliveries_are_found_by_the_task_that_they_tell_of(calling):
    task = await calling.submit(callback_url=URL)
    await calling.client.post(f"/v1/tasks/{task['id']}/cancel")

    listed = await calling.client.get("/v1/tasks", params={"queue": "duly.system", "tag": task["id"]})

    (delivery,) = listed.json()["tasks"]
    assert (delivery["type"], delivery["state"]) == ("duly.callback", "pending")
    assert delivery["payload"]["url"] == URL
    assert delivery["payload"]["event"]["type"] == "task.cancelled"


async def test_a_service_that_is_set_up_calls_back():
    @asynccontextmanager
    async def opener():
        yield MemoryStore(MemoryDatabase(), RealClock())

    duly = Duly(Settings(callback_secrets=(SECRET,), callback_networks=("127.0.0.1",)), opener=opener)

    @duly.task
    async def greet(name: str) -> str:
        return f"hello {name}"

    async with receiving() as receiver, duly, asyncio.TaskGroup() as group:
        stop = asyncio.Event()
        group.create_task(duly.work(stop))
        await greet.options(callback_url=receiver.url).submit(name="Ada")
        (call,) = await receiver.told()
        stop.set()

    assert Webhook(SECRET).verify(call.body, call.headers)["data"]["result"] == "hello Ada"


@pytest.mark.standard("Standard Webhooks", "1.1", "The structure of the payload is specified formally, by OpenAPI.")
@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
async def test_what_is_sent_is_what_openapi_says(calling, state):
    task = await ended(calling.store, state, callback_url=URL)
    (delivery,) = await claims(calling.store, "duly.system")

    document = (await calling.client.get("/openapi.json")).json()
    called = document["paths"]["/v1/tasks"]["post"]["callbacks"]["final"]["{$request.body#/callback_url}"]["post"]
    schema = called["requestBody"]["content"]["application/json"]["schema"]
    event = json.loads(delivery.payload)["event"]
    jsonschema.validate(event, schema)
    assert CallbackEvent.model_validate(event).data.version == task.version
    assert event["data"].keys() == schema["properties"]["data"]["properties"].keys()
