"""The router inside a user's own FastAPI application."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from duly.api.openapi import describe_types
from duly.api.router import router
from duly.engine.limits import Limits
from tests.support.serving import client_of, open_service


def guard(request: Request) -> None:
    if request.headers.get("authorization") != "Bearer s":
        raise HTTPException(401, "who are you?")


@pytest.fixture
async def shop(store, handlers) -> AsyncIterator[FastAPI]:
    async with open_service(store, handlers, Limits()) as service:
        app = FastAPI()

        @app.get("/orders/{number}")
        async def order(number: int) -> dict[str, int]:
            return {"number": number}

        app.include_router(router(lambda: service, handlers, [Depends(guard)]), prefix="/jobs")
        yield app


@pytest.fixture
async def client(shop: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(shop) as client:
        client.headers["authorization"] = "Bearer s"
        yield client


async def test_a_task_is_submitted_and_found_below_the_users_prefix(client):
    submitted = await client.post("/jobs/v1/tasks", json={"type": "text.reverse", "payload": {"text": "hello"}})
    found = await client.get(submitted.headers["location"])

    assert submitted.status_code == 202
    assert submitted.headers["location"] == f"/jobs/v1/tasks/{submitted.json()['id']}"
    assert found.json()["id"] == submitted.json()["id"]


async def test_the_users_dependencies_guard_each_route(client):
    del client.headers["authorization"]

    response = await client.get("/jobs/v1/tasks")

    assert response.status_code == 401
    assert response.json() == {"detail": "who are you?"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs/v1/tasks/no-id", 404),
        ("GET", "/jobs/v1/tasks?odd=1", 400),
        ("POST", "/jobs/v1/tasks", 415),
        ("GET", "/jobs/v1/types/nobody", 404),
    ],
)
async def test_errors_of_dulys_routes_are_problem_documents_there_too(client, method, path, status):
    response = await client.request(method, path)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/nowhere", "/orders/x"])
async def test_errors_of_the_users_own_routes_stay_as_they_were(client, path):
    response = await client.get(path)

    assert response.headers["content-type"] == "application/json"
    assert "detail" in response.json()
    assert "x-request-id" not in response.headers


async def test_each_answer_of_dulys_routes_has_a_request_id(client):
    made = await client.get("/jobs/v1/types")
    taken = await client.get("/jobs/v1/types/nobody", headers={"x-request-id": "mine"})

    assert len(made.headers["x-request-id"]) == 32
    assert taken.headers["x-request-id"] == "mine"


async def test_a_fault_of_ours_passes_on_to_the_users_application(handlers):
    def broken():
        raise ZeroDivisionError

    app = FastAPI()
    app.include_router(router(broken, handlers))

    @app.exception_handler(ZeroDivisionError)
    async def reported(*_: object) -> JSONResponse:
        return JSONResponse({"reported": True}, 500)

    async with client_of(app) as client:
        response = await client.get("/v1/queues")

    assert response.json() == {"reported": True}


async def test_the_next_page_is_linked_below_the_users_prefix(client):
    for _ in range(2):
        await client.post("/jobs/v1/tasks", json={"type": "anything", "payload": {}})

    response = await client.get("/jobs/v1/tasks?limit=1")

    assert response.links["next"]["url"].startswith("/jobs/v1/tasks?limit=1&cursor=")


async def test_the_users_document_shows_the_types_when_asked_to(shop, client, handlers):
    describe_types(shop, handlers)

    document = (await client.get("/openapi.json")).json()

    assert "Submit.text.reverse" in document["components"]["schemas"]
    assert document["paths"]["/jobs/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Submit"
    }
    assert "/orders/{number}" in document["paths"]


async def test_the_users_document_is_whole_without_that(client):
    document = (await client.get("/openapi.json")).json()

    body = document["paths"]["/jobs/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"].keys() >= {"type", "payload", "delay"}
