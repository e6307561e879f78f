"""The router inside a user's own application asks as the service does, behind the application's own dependencies."""

from fastapi import Depends, FastAPI, HTTPException, Request

from duly.api.openapi import describe_types
from duly.api.router import router
from duly.domain.identity import Scope
from tests.identity.conftest import bearer
from tests.support.serving import client_of


def _own_guard(request: Request) -> None:
    if "x-guest" in request.headers:
        raise HTTPException(418)


def _application(api):
    app = FastAPI()
    guarded = router(lambda: api.service, api.service.handlers, [Depends(_own_guard)])
    app.include_router(guarded, prefix="/tasks-of-mine")
    describe_types(app, api.service.handlers, asked=True)
    return app


async def test_who_is_nobody_is_refused_there_too(api):
    key = await api.key(Scope.READ)
    path = "/tasks-of-mine/v1/queues"

    async with client_of(_application(api)) as client:
        answers = [
            await client.get(path),
            await client.get(path, headers=bearer(key)),
            await client.post(f"{path}/a/pause", headers=bearer(key)),
            await client.get(path, headers=bearer(key) | {"x-guest": "yes"}),
        ]

    assert [answer.status_code for answer in answers] == [401, 200, 403, 418]


async def test_the_document_says_where_tokens_are_given_there(api):
    schemes = _application(api).openapi()["components"]["securitySchemes"]

    assert schemes["oauth2"]["flows"]["clientCredentials"]["tokenUrl"] == "/tasks-of-mine/v1/token"
