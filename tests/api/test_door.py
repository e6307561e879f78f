"""Who may come in, and what happens when something goes wrong inside."""

import pytest
import structlog

from duly.api.app import application
from duly.api.door import LOOPBACK, Door, host_of
from duly.domain.errors import Misconfigured
from duly.engine.handlers import Handlers
from tests.support.serving import client_of, serving


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "127.0.0.1", "localhost:8123", "LOCALHOST", "[::1]:8000", "[::1]", "127.0.0.1:"]
)
async def test_a_request_to_a_loopback_name_is_served(api, host):
    response = await api.client.get("/v1/types", headers={"host": host})

    assert response.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "example.org:8000",
        "127.0.0.1.example.org",
        "localhost.example.org:8000",
        "127.0.0.2",
        "[::2]:8000",
        "[::1].example.org",
        "user@127.0.0.1",
        "",
    ],
)
@pytest.mark.mistake(47)
async def test_a_request_to_another_name_is_403(api, host):
    response = await api.client.get("/v1/types", headers={"host": host})

    assert response.status_code == 403
    assert response.json()["code"] == "forbidden"
    assert response.headers["x-request-id"]


@pytest.mark.mistake(47)
async def test_a_page_of_another_origin_cannot_post(api):
    response = await api.client.post("/v1/queues/default/pause", headers={"origin": "https://example.org"})

    assert response.status_code == 403


@pytest.mark.parametrize("origin", ["null", "https://127.0.0.1.example.org", "nonsense", "http://[::1"])
async def test_an_origin_that_is_not_ours_is_403(api, origin):
    response = await api.client.get("/v1/types", headers={"origin": origin})

    assert response.status_code == 403


async def test_our_own_pages_may_ask(api):
    response = await api.client.get("/v1/types", headers={"origin": "http://localhost:8000"})

    assert response.status_code == 200


async def test_every_host_is_served_when_that_is_allowed(store, handlers):
    async with serving(store, handlers, allowed_hosts=None) as api:
        response = await api.client.get("/v1/types", headers={"host": "duly.example.org", "origin": "https://x.org"})

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("authority", "host"),
    [("A:1", "a"), ("[::1]:1", "[::1]"), ("[::1]", "[::1]"), ("a", "a"), ("", "")],
)
def test_a_host_is_read_without_its_port(authority, host):
    assert host_of(authority) == host


async def test_a_fault_of_ours_is_500_without_detail_and_logged_with_the_request_id():
    def broken():
        raise ZeroDivisionError("a secret of the inside")

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        async with client_of(application(broken, Handlers())) as client:
            response = await client.get("/v1/queues", headers={"x-request-id": "mine"})

    assert response.status_code == 500
    assert response.json() == {
        "type": "https://duly.readthedocs.io/en/stable/problems/internal",
        "title": "Something went wrong here",
        "status": 500,
        "instance": "/v1/queues",
        "code": "internal",
    }
    assert response.headers["x-request-id"] == "mine"
    assert lines[0]["event"] == "request.failed"
    assert lines[0]["request_id"] == "mine"
    assert lines[0]["path"] == "/v1/queues"
    assert isinstance(lines[0]["exc_info"], ZeroDivisionError)


async def test_lines_logged_in_a_request_carry_its_id_and_those_after_it_do_not():
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:

        def telling():
            structlog.get_logger().info("inside")
            raise KeyError

        async with client_of(application(telling, Handlers())) as client:
            await client.get("/v1/queues", headers={"x-request-id": "mine"})
        structlog.get_logger().info("outside")

    assert lines[0]["request_id"] == "mine"
    assert "request_id" not in lines[-1]


async def test_an_error_of_ours_that_no_client_may_see_is_500():
    def misconfigured():
        raise Misconfigured("the password is wrong")

    async with client_of(application(misconfigured, Handlers())) as client:
        response = await client.get("/v1/queues")

    assert response.status_code == 500
    assert "password" not in response.text


async def test_what_is_no_http_passes_the_door():
    seen = []

    async def inside(scope, receive, send):
        seen.append(scope["type"])

    await Door(inside, LOOPBACK)({"type": "lifespan"}, None, None)

    assert seen == ["lifespan"]


async def test_an_answer_that_broke_off_is_not_answered_twice():
    sent = []

    async def broken(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    async def send(message):
        sent.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    with pytest.raises(ZeroDivisionError):
        await Door(broken, LOOPBACK)(scope, None, send)

    assert sent == ["http.response.start"]
