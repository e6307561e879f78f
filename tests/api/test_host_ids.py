"""A user's own application that gives its requests ids, and writes Duly's log."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from fastapi import FastAPI

from duly import Settings, use_log, use_problem_details, use_request_ids
from tests.support.serving import client_of


def an_application(settings: Settings) -> FastAPI:
    app = FastAPI()
    use_problem_details(app)
    use_request_ids(app, settings)

    @app.get("/fault")
    async def fault() -> None:
        raise ZeroDivisionError("the secret is xyz")

    @app.get("/well")
    async def well() -> str:
        return "well"

    return app


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    use_log(Settings(log_format="json"))
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


async def test_a_request_keeps_the_id_that_it_came_with_and_has_one_in_any_case():
    async with client_of(an_application(Settings())) as client:
        kept = await client.get("/well", headers={"x-request-id": "mine"})
        made = await client.get("/nowhere")

    assert kept.headers["x-request-id"] == "mine"
    assert (made.status_code, len(made.headers["x-request-id"])) == (404, 32)


async def test_a_fault_is_logged_under_the_requests_id_and_the_client_learns_nothing_of_it(log):
    async with client_of(an_application(Settings())) as client:
        answer = await client.get("/fault", headers={"x-request-id": "mine"})

    line = json.loads(log.getvalue().splitlines()[-1])
    assert (answer.status_code, answer.json()["code"], "xyz" in answer.text) == (500, "internal", False)
    assert (line["event"], line["path"], line["request_id"]) == ("request.failed", "/fault", "mine")


async def test_another_host_is_refused_until_anonymous_access_is_allowed():
    statuses = []
    for settings in (Settings(), Settings(allow_anonymous=True)):
        async with client_of(an_application(settings)) as client:
            statuses.append((await client.get("/well", headers={"host": "evil.example"})).status_code)

    assert statuses == [403, 200]
