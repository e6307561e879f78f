"""Types, queues, workers, stats, capabilities, health."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from duly.api.routes import health
from duly.domain.errors import SchemaOutdated, StoreUnavailable
from tests.support.builders import a_worker
from tests.support.moves import added, running
from tests.support.serving import serving


async def test_types_are_listed_with_their_schemas_and_defaults(api):
    response = await api.client.get("/v1/types")

    anything, reverse = response.json()["types"]
    assert anything["name"] == "anything"
    assert reverse["name"] == "text.reverse"
    assert reverse["description"] == "Turn a text around."
    assert reverse["executor"] == "thread"
    assert reverse["payload_schema"]["properties"].keys() == {"text", "times"}
    assert reverse["payload_schema"]["required"] == ["text"]
    assert reverse["result_schema"]["properties"].keys() == {"text"}
    assert reverse["defaults"] == {
        "queue": "default",
        "priority": 5,
        "max_attempts": 5,
        "timeout": 600.0,
        "retry": {"initial": 1.0, "factor": 2.0, "longest": 600.0, "jitter": True},
    }


async def test_one_type_is_shown_as_in_the_list(api):
    listed = (await api.client.get("/v1/types")).json()["types"][1]

    assert (await api.client.get("/v1/types/text.reverse")).json() == listed


async def test_a_queue_shows_what_waits_and_runs(api):
    await api.store.queues.declare(["default"])
    await running(api.store)
    await added(api.store)

    queue = (await api.client.get("/v1/queues/default")).json()

    assert queue == {
        "name": "default",
        "paused": False,
        "scheduled": 0,
        "pending": 1,
        "running": 1,
        "oldest_pending_age": 0.0,
        "in_rate": 0.0,
        "out_rate": 0.0,
    }
    assert (await api.client.get("/v1/queues")).json() == {"queues": [queue]}


async def test_a_queue_is_paused_and_resumed(api):
    await api.store.queues.declare(["default"])
    task = await added(api.store)

    paused = await api.client.post("/v1/queues/default/pause")
    shown = await api.client.get(f"/v1/tasks/{task.id}")
    resumed = await api.client.post("/v1/queues/default/resume")

    assert paused.status_code == resumed.status_code == 200
    assert paused.json()["paused"] is True
    assert shown.json()["waiting"]["reason"] == "queue_paused"
    assert resumed.json()["paused"] is False


async def test_a_queue_may_have_a_slash_in_its_name(api):
    await api.store.queues.declare(["media/large"])

    paused = await api.client.post("/v1/queues/media%2Flarge/pause")
    shown = await api.client.get("/v1/queues/media/large")

    assert paused.status_code == 200
    assert shown.json()["name"] == "media/large"


async def test_workers_that_live_are_listed(api):
    await api.store.roster.beat(a_worker(queues=("a", "b"), running=3), timedelta(minutes=1))

    (worker,) = (await api.client.get("/v1/workers")).json()["workers"]

    assert worker == {
        "id": "worker-1",
        "host": "host-1",
        "pid": 4711,
        "queues": ["a", "b"],
        "types": ["text.reverse"],
        "slots": 10,
        "running": 3,
        "version": "0.1.0",
        "started_at": "2026-06-01T12:00:00.123456Z",
        "seen_at": "2026-06-01T12:00:00.123456Z",
    }


async def test_stats_have_the_time_of_their_counting(api):
    await api.store.queues.declare(["default"])
    await added(api.store)

    stats = (await api.client.get("/v1/stats")).json()

    assert stats["as_of"] == "2026-06-01T12:00:00.123456Z"
    assert [queue["name"] for queue in stats["queues"]] == ["default"]
    assert stats["queues"][0]["pending"] == 1
    assert stats["queues"][0]["wait_p50"] is None


async def test_stats_of_named_queues_are_zero_where_nobody_knows_them(api):
    await added(api.store, queue="b")
    await api.store.queues.declare(["b"])

    stats = (await api.client.get("/v1/stats?queues=a,b,%20a")).json()

    assert [(queue["name"], queue["pending"]) for queue in stats["queues"]] == [("a", 0), ("b", 1)]


async def test_capabilities_tell_the_parts_and_the_durability(api):
    shown = (await api.client.get("/v1/capabilities")).json()

    assert shown["version"] == "0.1.0"
    assert shown["store"]["kind"] == "memory"
    assert shown["broker"] is None
    assert shown["cache"] is None
    assert shown["durability"] == "A commit does not survive the process."


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_is_200_when_all_is_well(api, path):
    response = await api.client.get(path)

    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


@dataclass(frozen=True, slots=True)
class UnwellStore:
    """A store whose check says what is wrong with it; the rest is the store behind it."""

    behind: Any
    wrong: Exception | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    async def check(self) -> None:
        if self.wrong is None:
            await asyncio.Event().wait()
        else:
            raise self.wrong


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (StoreUnavailable("The disk is full."), "The disk is full."),
        (SchemaOutdated("0001", "0002"), "Run `duly migrate` first."),
    ],
)
@pytest.mark.mistake(45)
async def test_a_service_whose_store_takes_no_write_is_not_ready_but_lives(store, handlers, wrong, said):
    async with serving(UnwellStore(store, wrong), handlers) as api:
        ready = await api.client.get("/health/ready")
        live = await api.client.get("/health/live")

    assert ready.status_code == 503
    assert ready.json()["code"] == "store-unavailable"
    assert said in ready.json()["detail"]
    assert int(ready.headers["retry-after"]) > 0
    assert live.status_code == 200


async def test_a_store_that_does_not_answer_is_not_ready_after_a_while(store, handlers, monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", health.PATIENCE / 100)

    async with serving(UnwellStore(store, None), handlers) as api:
        response = await api.client.get("/health/ready")

    assert response.status_code == 503


@pytest.mark.parametrize("path", ["/v1/types", "/v1/queues", "/v1/workers", "/v1/stats", "/v1/capabilities"])
async def test_an_unknown_query_parameter_is_400(api, path):
    response = await api.client.get(f"{path}?odd=1")

    assert response.status_code == 400
    assert "'odd'" in response.json()["detail"]
