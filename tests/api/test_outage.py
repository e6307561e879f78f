"""The database is away: what was committed is said, what is unknown is called unknown."""

from dataclasses import dataclass
from typing import Any

import pytest

from duly.domain.errors import KeyInFlight, RowInvalid, StoreUnavailable
from tests.support.serving import serving

HELLO = {"type": "text.reverse", "payload": {"text": "hello"}}


@dataclass(frozen=True)
class Away:
    """A store of which these methods fail; the rest is the store behind it."""

    behind: Any
    failing: dict[str, Exception]
    at: str = ""

    def __getattr__(self, name: str) -> Any:
        path = f"{self.at}.{name}".lstrip(".")
        if path in self.failing:
            return self._fail(self.failing[path])
        found = getattr(self.behind, name)
        inside = any(failing.startswith(f"{path}.") for failing in self.failing)
        return Away(found, self.failing, path) if inside else found

    @staticmethod
    def _fail(error: Exception) -> Any:
        async def failed(*_: object, **__: object) -> None:
            raise error

        return failed


AWAY = StoreUnavailable("The database does not answer.")


@pytest.mark.parametrize(
    ("failing", "asked", "body"),
    [
        ("tasks.add", "POST /v1/tasks", HELLO),
        ("tasks.add", "POST /v1/tasks", HELLO | {"key": "order-1"}),
        ("tasks.add", "POST /v1/tasks/batch", {"tasks": [HELLO]}),
        ("tasks.get", "GET /v1/tasks/01936b1c-6a3e-7d1b-9c3e-2f6d1c0a9b55", None),
        ("tasks.page", "GET /v1/tasks", None),
        ("queues.states", "GET /v1/queues", None),
        ("roster.alive", "GET /v1/workers", None),
        ("facts", "GET /v1/capabilities", None),
        ("check", "GET /health/ready", None),
    ],
)
@pytest.mark.standard("RFC 9110", "15.6.4", "503 may say by Retry-After when to come back.")
async def test_an_outage_is_503_with_when_to_come_back(store, handlers, failing, asked, body):
    async with serving(Away(store, {failing: AWAY}), handlers) as api:
        response = await api.client.request(*asked.split(), json=body)

    assert response.status_code == 503
    assert response.json()["code"] == "store-unavailable"
    assert response.headers["retry-after"] == "2"


async def test_a_process_lives_while_its_database_is_away(store, handlers):
    async with serving(Away(store, {"check": AWAY}), handlers) as api:
        response = await api.client.get("/health/live")

    assert response.status_code == 200


@pytest.mark.mistake(45)
async def test_a_process_whose_background_has_failed_is_not_ready(store, handlers):
    """Once, what refused every submit until somebody restarted it called itself ready."""
    async with serving(store, handlers) as api:
        api.service.failed.set()

        response = await api.client.get("/health/ready")

    assert response.status_code == 503


@pytest.mark.mistake(2)
async def test_a_committed_task_is_answered_202_though_nobody_can_say_why_it_waits(store, handlers):
    async with serving(Away(store, {"queues.states": AWAY}), handlers) as api:
        response = await api.client.post("/v1/tasks", json=HELLO)

    assert response.status_code == 202
    assert response.json()["waiting"] is None


async def test_a_committed_task_is_answered_202_though_it_cannot_be_waited_for(store, handlers):
    async with serving(Away(store, {"tasks.get": AWAY}), handlers) as api:
        response = await api.client.post("/v1/tasks", json=HELLO, headers={"prefer": "wait=5"})

    assert response.status_code == 202
    assert response.json()["state"] == "pending"


async def test_a_key_in_an_open_transaction_is_409_with_when_to_come_back(store, handlers):
    async with serving(Away(store, {"tasks.add": KeyInFlight("order-1")}), handlers) as api:
        response = await api.client.post("/v1/tasks", json=HELLO | {"key": "order-1"})

    assert response.status_code == 409
    assert response.json()["code"] == "key-in-flight"
    assert response.headers["retry-after"] == "1"


async def test_what_the_database_refuses_to_keep_is_answered_alone(store, handlers):
    async with serving(Away(store, {"tasks.add": RowInvalid("The database refused a value.")}), handlers) as api:
        response = await api.client.post("/v1/tasks", json=HELLO)

    assert response.status_code == 422
    assert response.json()["code"] == "invalid"
