"""Every route x every scope x every kind of credential."""

import pytest
from fastapi.routing import APIRoute

from duly.api.app import application
from duly.api.rights import OPEN, RIGHTS
from duly.domain.identity import Scope
from duly.engine.handlers import Handlers
from tests.identity.conftest import bearer

NEEDED = {
    "POST /v1/tasks": {Scope.SUBMIT},
    "POST /v1/tasks/batch": {Scope.SUBMIT},
    "GET /v1/tasks": {Scope.READ},
    "GET /v1/tasks/{task_id}": {Scope.READ},
    "GET /v1/tasks/{task_id}/result": {Scope.READ},
    "GET /v1/tasks/{task_id}/events": {Scope.READ},
    "POST /v1/tasks/{task_id}/cancel": {Scope.CONTROL},
    "POST /v1/tasks/{task_id}/retry": {Scope.CONTROL},
    "POST /v1/tasks/retry": {Scope.CONTROL},
    "DELETE /v1/tasks/{task_id}": {Scope.CONTROL},
    "GET /v1/types": {Scope.READ, Scope.SUBMIT},
    "GET /v1/types/{type}": {Scope.READ, Scope.SUBMIT},
    "GET /v1/queues": {Scope.READ},
    "GET /v1/queues/{queue}": {Scope.READ},
    "POST /v1/queues/{queue}/pause": {Scope.QUEUES},
    "POST /v1/queues/{queue}/resume": {Scope.QUEUES},
    "GET /v1/workers": {Scope.READ},
    "GET /v1/stats": {Scope.READ},
    "GET /v1/capabilities": set(Scope),
    "GET /metrics": {Scope.READ},
    "GET /openapi.json": set(),
    "GET /docs": set(),
}
"""One of these suffices, and ``admin`` does everywhere."""

NEEDED |= {f"HEAD {name.removeprefix('GET ')}": scopes for name, scopes in NEEDED.items() if name.startswith("GET ")}

OPEN_ROUTES = {f"{method} /health/{what}" for method in ("GET", "HEAD") for what in ("live", "ready")} | {
    "POST /v1/token"
}


def _routes() -> dict[str, str]:
    """Every route of the application, with its operation."""
    app = application(lambda: None, Handlers(), docs="admin")
    return {
        f"{method} {route.path_format}": route.operation_id
        for route in app.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }


ROUTES = sorted(set(_routes()) - OPEN_ROUTES)


@pytest.fixture
async def api(open_guarded):
    async for guarded in open_guarded(docs="admin"):
        yield guarded


def test_the_application_has_no_other_routes():
    assert set(_routes()) <= set(NEEDED) | OPEN_ROUTES
    assert {_routes()[name] for name in OPEN_ROUTES} == OPEN


def test_what_stands_in_no_table_of_rights_is_for_administrators():
    assert {name for name, operation in _routes().items() if operation not in RIGHTS and operation not in OPEN} == {
        "GET /openapi.json",
        "GET /docs",
        "HEAD /openapi.json",
        "HEAD /docs",
    }


@pytest.mark.mistake(47)
@pytest.mark.parametrize("route", ROUTES)
async def test_a_route_is_open_to_its_scopes_and_to_no_other(api, route):
    statuses = {scope: (await _ask(api, route, await api.key(scope))).status_code for scope in Scope}

    may = {scope for scope, status in statuses.items() if status not in (401, 403)}
    assert may == NEEDED[route] | {Scope.ADMIN}
    assert {statuses[scope] for scope in set(Scope) - may} <= {403}
    assert not [status for status in statuses.values() if status >= 500]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.standard("RFC 6750", "3.1", "A scope that is missing is answered 403 insufficient_scope, with the scope.")
async def test_who_may_not_is_told_the_scope_that_is_needed(api, route):
    refused = await _ask(api, route, await api.key(Scope.WORKER))
    if route.endswith(" /v1/capabilities"):
        assert refused.status_code == 200
        return

    named = refused.headers["www-authenticate"]
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    assert route.startswith("HEAD ") or refused.json()["code"] == "forbidden"
    assert named.startswith('Bearer realm="duly", error="insufficient_scope", scope="')
    assert set(named.partition('scope="')[2].rstrip('"').split()) == (NEEDED[route] or {"admin"})


@pytest.mark.mistake(47)
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.standard("RFC 9110", "15.5.2", "401 has a WWW-Authenticate field with a challenge.")
@pytest.mark.standard(
    "RFC 6750",
    "3.1",
    "A credential that is malformed, expired or revoked is answered invalid_token; none at all, no error.",
)
async def test_without_a_valid_credential_every_route_is_401(api, route):
    good = await api.new_key()
    revoked, expiring = await api.new_key(), await api.new_key(lives=api.clock.now() - api.clock.now())
    await api.service.store.keys.revoke(revoked.key.id)
    wrong = good.text[:-1] + ("a" if good.text[-1] != "a" else "b")

    none = await _ask(api, route, None)
    others = [await _ask(api, route, text) for text in (wrong, expiring.text, revoked.text, "nonsense", "a.b.c")]

    assert (none.status_code, none.headers["www-authenticate"]) == (401, 'Bearer realm="duly"')
    for answer in others:
        assert answer.status_code == 401
        assert route.startswith("HEAD ") or answer.json()["code"] == "unauthorized"
        assert answer.headers["www-authenticate"] == 'Bearer realm="duly", error="invalid_token"'


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_asks_nobody(api, path):
    assert (await api.client.get(path)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Basic ZHVseTpkdWx5")],
        [("authorization", "Bearer")],
        [("authorization", "")],
        [("authorization", "{key}")],
        [("authorization", "Bearer {key}"), ("authorization", "Bearer {key}")],
    ],
)
@pytest.mark.standard("RFC 6750", "2.1", "The credential stands in one Authorization field, after Bearer.")
async def test_what_is_no_single_bearer_credential_is_401(api, headers):
    key = await api.key()

    answer = await api.client.get("/v1/tasks", headers=[(name, value.format(key=key)) for name, value in headers])

    assert answer.status_code == 401


@pytest.mark.standard("RFC 9110", "11.1", "The name of an authentication scheme is read in any case.")
async def test_the_scheme_is_read_in_any_case(api):
    key = await api.key()

    answer = await api.client.get("/v1/tasks", headers={"authorization": f"bEARER  {key} "})

    assert answer.status_code == 200


async def test_the_document_names_the_scopes_of_every_operation(api):
    for path, item in api.document["paths"].items():
        for method, operation in item.items():
            route = f"{method.upper()} {path}"
            oauth2 = [way["oauth2"] for way in operation["security"] if "oauth2" in way]
            if route in OPEN_ROUTES:
                assert operation["security"] == []
            elif route == "GET /v1/capabilities":
                assert oauth2 == [[]]
            else:
                assert {scope for one in oauth2 for scope in one} == NEEDED[route]
                assert {} not in operation["security"]
    schemes = api.document["components"]["securitySchemes"]
    assert schemes["oauth2"]["flows"]["clientCredentials"]["tokenUrl"] == "/v1/token"
    assert schemes["bearer"]["scheme"] == "bearer"


@pytest.mark.parametrize(("docs", "status"), [("public", 200), ("off", 404), ("admin", 401)])
async def test_the_pages_are_for_whom_the_setting_says(open_guarded, docs, status):
    async for api in open_guarded(docs=docs):
        answers = [await api.client.get(path) for path in ("/openapi.json", "/docs")]
        admin = await api.client.get("/docs", headers=bearer(await api.key()))

    assert [answer.status_code for answer in answers] == [status, status]
    assert admin.status_code == (404 if docs == "off" else 200)


async def test_a_page_is_for_those_too_who_accept_nothing_but_pages(open_guarded):
    """The page was answered 406 unless its reader would have taken JSON."""
    async for api in open_guarded(docs="admin"):
        answer = await api.ask("GET", "/docs", await api.key(), headers={"accept": "text/html"})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


async def _ask(api, route, credential):
    method, _, path = route.partition(" ")
    filled = path.format(task_id="01936b1c-6a3e-7d1b-9c3e-2f6d1c0a9b55", queue="default", type="text.reverse")
    return await api.ask(method, filled, credential, json={} if method == "POST" else None)
