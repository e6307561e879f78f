"""An Idempotency-Key holds between the API's processes."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import a_place, answers

HELLO = {"type": "text.reverse", "payload": {"text": "hello"}}
KEY = {"idempotency-key": '"order-1"'}


async def _post(client: httpx.AsyncClient) -> httpx.Response:
    """Once more while another one is on its way."""
    while True:
        answer = await client.post("/v1/tasks", json=HELLO, headers=KEY)
        if answer.status_code != httpx.codes.CONFLICT:
            return answer
        assert answer.json()["code"] == "key-in-flight"
        await asyncio.sleep(int(answer.headers["retry-after"]))


async def _posts(url: str, count: int) -> list[httpx.Response]:
    """Each on a connection of its own, so that every process gets some."""
    alone = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=alone) as client:
        posts = await asyncio.gather(*(_post(client) for _ in range(count)))
    return list(posts)


@pytest.mark.system
@pytest.mark.timeout(300)
@pytest.mark.mistake(3)
@pytest.mark.parametrize(
    "kind",
    [pytest.param("sqlite", marks=pytest.mark.full), "postgresql", pytest.param("mysql", marks=pytest.mark.full)],
)
def test_of_fifty_equal_requests_at_two_processes_one_makes_a_task_also_across_a_restart(
    tmp_path: Path, new_database, kind
):
    with new_database(kind) as database:
        place = a_place(tmp_path)
        place.env["DULY_DATABASE_URL"] = database
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        place.migrate()
        with place.duly("api", "app:duly", "--port", str(port), "--processes", "2") as running:
            eventually(lambda: answers(url))
            first = asyncio.run(_posts(url, 50))
            running.stop()
        with place.duly("api", "app:duly", "--port", str(port)):
            eventually(lambda: answers(url))
            (after,) = asyncio.run(_posts(url, 1))

    assert sorted(answer.status_code for answer in first) == [200] * 49 + [202]
    assert len({answer.json()["id"] for answer in [*first, after]}) == 1
    assert after.status_code == 200
