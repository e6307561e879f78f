"""What a broker is given, and for how long it holds it."""

import json

import httpx
import pytest
from redis import Redis

from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import a_place, answers

pytestmark = pytest.mark.system

SECRET = "hunter2-and-the-rest-of-it"  # noqa: S105  # what is looked for


def _post(url, **body):
    return httpx.post(f"{url}/v1/tasks", json=body, trust_env=False, timeout=30)


@pytest.mark.mistake(5)
def test_a_broker_sees_ids_and_nothing_of_a_payload(redis, tmp_path):
    place = a_place(tmp_path)
    place.migrate()
    url = f"http://127.0.0.1:{free_port()}"
    raw = Redis.from_url(redis.url)
    with place.duly("api", "app:duly", "--port", url.rpartition(":")[2], DULY_BROKER_URL=redis.url) as api:
        eventually(lambda: answers(url))
        large = _post(url, type="text.reverse", payload={"text": SECRET + "x" * 900_000}, tags=["a"]).json()
        eventually(lambda: raw.keys("*hints*"))
        held = b"".join(b"".join(raw.lrange(key, 0, -1)) for key in raw.keys("*hints*"))
        memory = raw.info("memory")["used_memory_dataset"]
        assert api.stop() == 0
    raw.close()

    assert large["id"].replace("-", "").encode() in held
    assert SECRET.encode() not in held
    assert len(held) < 1_000
    assert memory < 900_000
    assert SECRET not in api.log.read_text()


@pytest.mark.mistake(12)
def test_no_message_is_held_open_while_its_task_runs(rabbit, tmp_path):
    """RabbitMQ closes the channel of who holds a message for half an hour; the lease is the database's."""
    place, held = a_place(tmp_path), tmp_path / "held"
    place.migrate()
    url = f"http://127.0.0.1:{free_port()}"
    env = {"DULY_BROKER_URL": rabbit.url}
    with (
        place.duly("api", "app:duly", "--port", url.rpartition(":")[2], **env),
        place.duly("worker", "app:duly", **env),
    ):
        eventually(lambda: answers(url))
        task = _post(url, type="test.hold", payload={"file": str(held)}).json()
        eventually(held.exists)
        eventually(lambda: _messages(rabbit) == (0, 0))
        state = httpx.get(f"{url}/v1/tasks/{task['id']}", trust_env=False).json()["state"]
        held.unlink()

    assert state == "running"


def _messages(rabbit):
    """Ready and unacknowledged, in all queues."""
    rows = json.loads(rabbit.control("list_queues", "--formatter", "json", "messages_ready", "messages_unacknowledged"))
    return sum(row["messages_ready"] for row in rows), sum(row["messages_unacknowledged"] for row in rows)
