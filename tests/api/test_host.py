"""What a user's own FastAPI application takes from Duly: its guard, its health, and its way to answer errors."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field

from duly import Duly, Settings, use_problem_details
from duly.api.host import Guard
from duly.domain.errors import KeyInFlight, Misconfigured, TaskNotFound, UnknownType
from duly.domain.identity import Identity, Scope
from duly.engine.buckets import Buckets
from duly.engine.quotas import Kind, Quotas
from tests.identity.conftest import api, bearer, handlers, open_guarded  # noqa: F401  # fixtures
from tests.support.serving import client_of

RAISED = {
    "task": TaskNotFound("7"),
    "flight": KeyInFlight("k"),
    "type": UnknownType("odd"),
    "here": HTTPException(404, "There is no order 7."),
    "teapot": HTTPException(418, headers={"x-tea": "green"}),
    "ours": Misconfigured("the secret is xyz"),
    "fault": ZeroDivisionError("the secret is xyz"),
}


class Order(BaseModel):
    lines: list[Annotated[int, Field(gt=0)]]


def an_application(**how) -> FastAPI:
    app = FastAPI()
    use_problem_details(app, **how)

    @app.post("/orders")
    async def order(order: Order, page: int = 1) -> None: ...

    @app.get("/raise/{what}")
    async def raised(what: str) -> None:
        raise RAISED[what]

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(an_application(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "code", "detail"),
    [
        ("/raise/task", 404, "task-not-found", "There is no task 7."),
        ("/raise/type", 422, "unknown-type", "No handler is registered for the type 'odd'."),
        ("/raise/here", 404, "not-found", "There is no order 7."),
        ("/raise/teapot", 418, "http-418", "I'm a Teapot"),
        ("/nowhere", 404, "not-found", "There is no route /nowhere."),
        ("/orders", 405, "method-not-allowed", "GET is not allowed here."),
    ],
)
async def test_what_a_route_raises_is_a_problem_document(client, path, status, code, detail):
    answer = await client.get(path)

    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert (answer.json()["code"], answer.json()["detail"]) == (code, detail)


async def test_the_fields_of_an_error_are_kept(client):
    again, teapot = await client.get("/raise/flight"), await client.get("/raise/teapot")

    assert (again.status_code, again.headers["retry-after"]) == (409, "1")
    assert teapot.headers["x-tea"] == "green"


@pytest.mark.mistake(48)
@pytest.mark.parametrize("what", ["ours", "fault"])
async def test_of_a_fault_the_client_learns_nothing(client, what):
    answer = await client.get(f"/raise/{what}")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "xyz" not in answer.text


async def test_after_a_fault_the_client_is_told_that_the_server_hangs_up(client):
    """uvicorn does, when an application raises; who was not told lost the next request on that connection."""
    answer = await client.get("/raise/fault")

    assert answer.headers["connection"] == "close"


async def test_a_fault_goes_on_to_the_servers_log():
    async with client_of(an_application()) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/raise/fault")


async def test_a_body_that_does_not_fit_names_each_place(client):
    answer = await client.post("/orders?page=x", json={"lines": [1, 0]})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"] == [
        {
            "pointer": "",
            "detail": "query page: Input should be a valid integer, unable to parse string as an integer",
        },
        {"pointer": "/lines/1", "detail": "Input should be greater than 0"},
    ]


async def test_what_is_no_json_cannot_be_understood(client):
    answer = await client.post("/orders", content="{", headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


async def test_an_application_may_answer_400_to_all_that_does_not_fit():
    async with client_of(an_application(invalid=400)) as client:
        body, raised = await client.post("/orders", json={}), await client.get("/raise/type")

    assert (body.status_code, body.json()["code"]) == (400, "bad-request")
    assert body.json()["errors"] == [{"pointer": "/lines", "detail": "Field required"}]
    assert (raised.status_code, raised.json()["errors"]) == (
        400,
        [{"pointer": "/type", "detail": "unknown type 'odd'"}],
    )


def a_guarded(service) -> FastAPI:
    app = FastAPI()
    use_problem_details(app)

    @app.post("/orders")
    async def order(who: Annotated[Identity, Depends(Guard(lambda: service, [Scope.SUBMIT]))]) -> str:
        return who.name

    return app


async def test_a_guard_lets_in_who_holds_the_scope(api):  # noqa: F811
    made = await api.new_key(Scope.SUBMIT)
    reader = await api.key(Scope.READ)

    async with client_of(a_guarded(api.service)) as client:
        answers = [
            await client.post("/orders"),
            await client.post("/orders", headers=bearer("nonsense")),
            await client.post("/orders", headers=bearer(reader)),
            await client.post("/orders", headers=bearer(made.text)),
        ]

    assert [answer.status_code for answer in answers] == [401, 401, 403, 200]
    assert answers[0].headers["www-authenticate"] == 'Bearer realm="duly"'
    assert answers[0].json()["code"] == "unauthorized"
    assert answers[3].json() == f"key:{made.key.id}"


async def test_a_key_for_some_queues_is_not_let_in(api):  # noqa: F811
    """The guard cannot know which queue the user's route submits to."""
    key = await api.key(Scope.ADMIN, queues=["media"])

    async with client_of(a_guarded(api.service)) as client:
        answer = await client.post("/orders", headers=bearer(key))

    assert answer.status_code == 403


async def test_where_nobody_is_asked_everybody_is_let_in(api):  # noqa: F811
    async with client_of(a_guarded(replace(api.service, access=None))) as client:
        answer = await client.post("/orders")

    assert answer.json() == "anonymous"


async def test_guarded_routes_count_towards_the_limits(api):  # noqa: F811
    quotas = Quotas({Kind.SUBMIT: Buckets(1, timedelta(minutes=1), api.timer)}, None)
    service = replace(api.service, access=None, quotas=quotas)

    async with client_of(a_guarded(service)) as client:
        first, second = await client.post("/orders"), await client.post("/orders")

    assert (first.status_code, second.status_code) == (200, 429)
    assert first.headers["ratelimit"] == '"submit";r=0;t=60'
    assert second.headers["ratelimit-policy"] == '"submit";q=1;w=60'
    assert second.headers["retry-after"] == "60"


async def test_the_document_says_how_to_come_in(api):  # noqa: F811
    document = a_guarded(api.service).openapi()

    assert document["paths"]["/orders"]["post"]["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


async def test_an_applications_health_is_dulys(tmp_path):
    duly = Duly(settings_at(tmp_path))
    await duly.migrate()
    app = FastAPI()
    app.include_router(duly.health_router())

    async with duly, client_of(app) as client:
        answers = [await client.get("/health/live"), await client.get("/health/ready")]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_guard_of_an_application_is_made_before_duly_is_open(tmp_path):
    duly = Duly(settings_at(tmp_path, auth="required"))
    await duly.migrate()
    app = FastAPI(dependencies=[Depends(duly.guard("tasks:read"))])
    use_problem_details(app)
    app.add_api_route("/orders", lambda: None)

    async with duly, client_of(app) as client:
        answer = await client.get("/orders")

    assert answer.status_code == 401


def settings_at(folder, **given):
    return Settings(database_url=f"sqlite:///{folder / 'duly.db'}", **given)
