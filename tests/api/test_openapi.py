"""`/openapi.json` says what is true."""

import json
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import BaseModel

from duly.api.app import application
from duly.domain.fact import Returned
from duly.domain.state import State
from duly.engine.service import Service
from tests.api.conftest import anything, reverse
from tests.support.moves import decided, ended, running
from tests.support.serving import handlers_of, serving

ROUTES = {
    "POST /v1/token": {200, 400, 401, 403, 404, 406, 413, 429, 500, 503},
    "POST /v1/tasks": {200, 202, 400, 401, 403, 406, 409, 410, 413, 415, 422, 429, 500, 503},
    "GET /v1/tasks": {200, 400, 401, 403, 406, 429, 500, 503},
    "POST /v1/tasks/batch": {200, 202, 400, 401, 403, 406, 409, 410, 413, 415, 422, 429, 500, 503},
    "GET /v1/tasks/{task_id}": {200, 304, 400, 401, 403, 404, 406, 410, 429, 500, 503},
    "DELETE /v1/tasks/{task_id}": {204, 400, 401, 403, 404, 406, 409, 410, 429, 500, 503},
    "GET /v1/tasks/{task_id}/result": {200, 400, 401, 403, 404, 406, 409, 410, 429, 500, 503},
    "GET /v1/tasks/{task_id}/events": {200, 204, 400, 401, 403, 404, 406, 410, 429, 500, 503},
    "POST /v1/tasks/{task_id}/cancel": {200, 202, 400, 401, 403, 404, 406, 409, 410, 429, 500, 503},
    "POST /v1/tasks/{task_id}/retry": {200, 400, 401, 403, 404, 406, 409, 410, 413, 415, 422, 429, 500, 503},
    "POST /v1/tasks/retry": {200, 400, 401, 403, 406, 413, 415, 422, 429, 500, 503},
    "GET /v1/types": {200, 400, 401, 403, 406, 429, 500, 503},
    "GET /v1/types/{type}": {200, 400, 401, 403, 404, 406, 429, 500, 503},
    "GET /v1/queues": {200, 400, 401, 403, 406, 429, 500, 503},
    "GET /v1/queues/{queue}": {200, 400, 401, 403, 404, 406, 429, 500, 503},
    "POST /v1/queues/{queue}/pause": {200, 400, 401, 403, 404, 406, 429, 500, 503},
    "POST /v1/queues/{queue}/resume": {200, 400, 401, 403, 404, 406, 429, 500, 503},
    "GET /v1/workers": {200, 400, 401, 403, 406, 429, 500, 503},
    "GET /v1/stats": {200, 400, 401, 403, 406, 429, 500, 503},
    "GET /v1/capabilities": {200, 400, 401, 403, 406, 429, 500, 503},
    "GET /metrics": {200, 400, 401, 403, 404, 406, 429, 500, 503},
    "GET /health/live": {200, 400, 401, 403, 406, 429, 500, 503},
    "GET /health/ready": {200, 400, 401, 403, 406, 429, 500, 503},
}


class Leaf(BaseModel):
    name: str
    kind: Literal["leaf"] = "leaf"


class Tree(BaseModel):
    """Refers to itself."""

    children: list["Tree | Leaf"] = []


def grow(tree: Tree, depth: int = 1) -> Tree:
    """Grow a tree."""
    return tree


def odd(value: Any = None) -> Any:
    return value


def not_open() -> Service:
    raise AssertionError("the document needs no open service")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return application(not_open, handlers_of(text__reverse=reverse, anything=anything)).openapi()


def _operations(document):
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def _schema(document, reference):
    return {"$ref": f"#/components/schemas/{reference}", "components": document["components"]}


def _fits(document, reference, value):
    return Draft202012Validator(_schema(document, reference)).is_valid(value)


async def test_the_document_is_served(api, document):
    assert (await api.client.get("/openapi.json")).json() == json.loads(json.dumps(document))


async def test_the_document_is_valid_openapi_3_1(document):
    validate(document)

    assert document["openapi"].startswith("3.1")


async def test_every_route_is_described_with_every_status(document):
    described = {name: {int(status) for status in found["responses"]} for name, found in _operations(document).items()}

    assert described == ROUTES


async def test_every_problem_is_described_as_one(document):
    for operation in _operations(document).values():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert response["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }


async def test_every_operation_has_a_name_a_tag_and_a_summary(document):
    for operation in _operations(document).values():
        assert operation["operationId"]
        assert operation["tags"]
        assert operation["summary"]
        assert operation["description"]


async def test_every_parameter_of_a_path_is_described(document):
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert all(f"{{{name}}}" in path for name in named)
            assert path.count("{") == len(named)


async def test_a_submission_is_a_union_discriminated_by_type(document):
    body = document["paths"]["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert body == {"$ref": "#/components/schemas/Submit"}
    assert document["components"]["schemas"]["Submit"] == {
        "oneOf": [
            {"$ref": "#/components/schemas/Submit.anything"},
            {"$ref": "#/components/schemas/Submit.text.reverse"},
        ],
        "discriminator": {
            "propertyName": "type",
            "mapping": {
                "anything": "#/components/schemas/Submit.anything",
                "text.reverse": "#/components/schemas/Submit.text.reverse",
            },
        },
    }


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"type": "text.reverse", "payload": {"text": "a"}}, True),
        ({"type": "text.reverse", "payload": {"text": "a", "times": 2}, "priority": 9, "tags": ["x"]}, True),
        ({"type": "anything", "payload": {}, "delay": 1.5}, True),
        ({"type": "text.reverse", "payload": {"text": 5}}, False),
        ({"type": "text.reverse", "payload": {"text": "a", "odd": 1}}, False),
        ({"type": "text.reverse", "payload": {"text": "a"}, "odd": 1}, False),
        ({"type": "text.reverse", "payload": {"text": "a"}, "priority": 10}, False),
        ({"type": "nobody", "payload": {}}, False),
        ({"type": "text.reverse"}, False),
    ],
)
async def test_the_document_and_the_service_agree_about_submissions(api, document, body, fits):
    response = await api.client.post("/v1/tasks", json=body)

    assert (response.status_code == 202) == fits
    assert _fits(document, "Submit", body) == fits


async def test_a_batch_is_described_by_the_same_union(document):
    assert document["components"]["schemas"]["Batch"]["properties"]["tasks"]["items"] == {
        "$ref": "#/components/schemas/Submit"
    }


@pytest.mark.parametrize("state", list(State))
async def test_tasks_are_as_described_in_every_state(api, document, state):
    match state:
        case State.RUNNING:
            task = await running(api.store)
        case State.COMPLETED:
            begun = await running(api.store)
            task = await decided(api.store, begun, Returned(begun.claim, '{"text":"olleh"}'))
        case State.FAILED | State.CANCELLED:
            task = await ended(api.store, state)
        case _:
            delay = 60 if state is State.SCHEDULED else 0
            shown = await api.submit(delay=delay)

    if state not in (State.SCHEDULED, State.PENDING):
        shown = (await api.client.get(f"/v1/tasks/{task.id}")).json()

    assert shown["state"] == state
    assert _fits(document, "Task", shown)
    assert _fits(document, "Task.text.reverse", shown)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/tasks", "TaskPage"),
        ("/v1/types", "TaskTypes"),
        ("/v1/types/anything", "TaskType"),
        ("/v1/queues", "Queues"),
        ("/v1/workers", "Workers"),
        ("/v1/stats?queues=a", "Stats"),
        ("/v1/capabilities", "Capabilities"),
        ("/health/live", "Health"),
        ("/v1/tasks/no-id", "Problem"),
        ("/v1/tasks?odd=1", "Problem"),
    ],
)
async def test_answers_are_as_described(api, document, path, model):
    response = await api.client.get(path)

    assert _fits(document, model, response.json())


async def test_definitions_of_a_payload_are_found_where_the_document_says(store):
    handlers = handlers_of(tree__grow=grow, odd=odd)

    async with serving(store, handlers) as api:
        document = (await api.client.get("/openapi.json")).json()

    validate(document)
    tree = {"type": "tree.grow", "payload": {"tree": {"children": [{"children": []}, {"name": "a"}]}}}
    assert _fits(document, "Submit", tree)
    assert not _fits(document, "Submit", {"type": "tree.grow", "payload": {"tree": {"children": [5]}}})


async def test_types_whose_names_differ_in_punctuation_have_schemas_of_their_own(store):
    handlers = handlers_of(**{"a b": odd, "a?b": grow})

    async with serving(store, handlers) as api:
        document = (await api.client.get("/openapi.json")).json()

    assert document["components"]["schemas"]["Submit.a_b"]["properties"]["type"] == {"const": "a b"}
    assert document["components"]["schemas"]["Submit.a_b_"]["properties"]["type"] == {"const": "a?b"}


async def test_without_types_a_submission_is_described_in_general(store):
    async with serving(store, handlers_of()) as api:
        document = (await api.client.get("/openapi.json")).json()

    validate(document)
    body = document["paths"]["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["type"]["type"] == "string"


async def test_the_swagger_page_is_there(api):
    response = await api.client.get("/docs")

    assert response.status_code == 200
    assert "swagger" in response.text.lower()
