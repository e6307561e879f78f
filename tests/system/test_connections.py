"""How many connections of the database one API process takes, whatever its clients do; and what waits for what."""

import asyncio

import httpx
import psycopg
import pytest

from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import a_place, answers

pytestmark = pytest.mark.system

MOST = 20
"""Connections of one API process. PostgreSQL allows a hundred in all, unless told otherwise."""

HELLO = {"type": "text.reverse", "payload": {"text": "a"}}


@pytest.fixture
def api(postgres_url, tmp_path):
    """The address of one API process on PostgreSQL, without a worker."""
    place = a_place(tmp_path)
    place.env["DULY_DATABASE_URL"] = postgres_url
    place.migrate()
    url = f"http://127.0.0.1:{free_port()}"
    with place.duly("api", "app:duly", "--port", url.rpartition(":")[2]):
        eventually(lambda: answers(url))
        yield url


@pytest.fixture
def beside(postgres_url):
    """A connection of somebody else's to the same database."""
    with psycopg.connect(postgres_url) as connection:
        yield connection


def _client(url):
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False)


def _connections(beside):
    counted = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    return beside.execute(counted).fetchone()[0]


@pytest.mark.mistake(7)
async def test_three_hundred_requests_at_once_share_a_few_connections(api, beside):
    async with _client(api) as http:
        task = (await http.post("/v1/tasks", json=HELLO)).json()
        path = f"/v1/tasks/{task['id']}"
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(http.get(path, headers={"prefer": "wait=3"})) for _ in range(100)]
            reads = [group.create_task(http.get(path)) for _ in range(100)]
            submits = [
                group.create_task(http.post("/v1/tasks", json=HELLO, headers={"idempotency-key": f"k{number}"}))
                for number in range(100)
            ]
            await asyncio.wait(submits)
            meanwhile = _connections(beside)

    assert {one.result().status_code for one in (*waits, *reads)} == {200}
    assert {one.result().status_code for one in submits} == {202}
    assert meanwhile <= MOST


@pytest.mark.mistake(7)
async def test_a_database_that_stands_still_does_not_hold_up_what_does_not_need_it(api, beside):
    beside.execute("lock table duly_tasks in access exclusive mode")
    async with _client(api) as http, asyncio.TaskGroup() as group:
        stuck = group.create_task(http.post("/v1/tasks", json=HELLO))
        await asyncio.to_thread(eventually, lambda: _blocked(beside), 30)

        alive = [(await http.get("/health/live")).status_code for _ in range(5)]
        still = not stuck.done()
        beside.rollback()
        accepted = await stuck

    assert alive == [200] * 5
    assert still  # what waits for the database waits for ten seconds
    assert accepted.status_code == 202


def _blocked(beside):
    return beside.execute("select count(*) from pg_locks where not granted").fetchone()[0]
