"""Processes that are told to stop while their wires carry nothing any more end in time all the same."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from duly.stores.sql.migrate import migrate
from duly.torture.proxy import Mode, Proxy
from tests.support.databases import mysql_database, postgres_database
from tests.support.processes import eventually
from tests.support.servers import RabbitServer, RedisServer, ended, free_port
from tests.support.service import Running, answers
from tests.system.scene import PATIENCE, Effects, a_scenery

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

GRACE = 2.0
"""That of a scene."""

GOODBYE = 3.0
"""Seconds beyond the grace, for a busy machine."""

DATABASES = {"postgresql": postgres_database, "mariadb": mysql_database}


@asynccontextmanager
async def a_wire(url: str, port: int) -> AsyncIterator[tuple[Proxy, str]]:
    """A wire to the server at this address, and the address by way of it."""
    address = urlsplit(url)
    proxy = Proxy(address.hostname or "127.0.0.1", address.port or port)
    account, sign, _ = address.netloc.rpartition("@")
    async with proxy.open():
        yield proxy, urlunsplit(address._replace(netloc=f"{account}{sign}127.0.0.1:{proxy.own_port}"))


async def soon(true: Callable[[], object]) -> None:
    """Wait without standing in the wire's way."""
    await asyncio.to_thread(eventually, true, PATIENCE)


async def end(running: Running) -> float:
    """Seconds from SIGTERM to the end, which must be an orderly one."""
    asked = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(running.process.wait, 60)
    took = time.monotonic() - asked
    assert code == 0, running.log.read_text()[-2000:]
    return took


@pytest.mark.mistake(43)
@pytest.mark.parametrize("mode", [Mode.HALF_OPEN, Mode.CUT])
@pytest.mark.parametrize("kind", DATABASES)
async def test_a_worker_ends_in_time_whose_database_is_away(kind, mode, tmp_path):
    """Once, the lease keeper's own connections and each connection's good-bye were waited for, one after the other."""
    with DATABASES[kind]() as url:
        await migrate(url)
        async with a_wire(url, 5432 if kind == "postgresql" else 3306) as (wire, by_wire):
            place = a_scenery(tmp_path, by_wire)
            port = free_port()
            with place.duly("api", "app:duly", "--port", str(port)), place.duly("worker", "app:duly") as worker:
                await soon(lambda: worker.said("worker.started") and answers(f"http://127.0.0.1:{port}"))
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                    gate = str(tmp_path / "gate")
                    made = await http.post("/v1/tasks", json={"type": "hold.async", "payload": {"gate": gate}})
                    task = made.json()["id"]
                await soon(lambda: Effects(tmp_path / "effects").words(task))
                wire.turn(mode)

                took = await end(worker)

    assert took < GRACE + GOODBYE


@pytest.mark.mistake(43)
@pytest.mark.parametrize("role", ["worker", "api"])
async def test_a_process_that_cannot_begin_ends_at_once(role, tmp_path):
    """Once, it first waited as long for the database as one call of it may take."""
    with postgres_database() as url:
        async with a_wire(url, 5432) as (wire, by_wire):
            wire.turn(Mode.HALF_OPEN)
            place = a_scenery(tmp_path, by_wire, DULY_DATABASE_TIMEOUT="60s", DULY_PORT="0")
            with place.duly(role, "app:duly") as begun:
                await soon(lambda: wire.carries)

                took = await end(begun)

    assert took < GRACE + GOODBYE


@pytest.mark.mistake(43)
async def test_an_api_ends_in_time_whose_database_is_away_and_answers_what_is_open(tmp_path):
    """Once, the requests that were open then had no answer, and a traceback each in the log."""
    with postgres_database() as url:
        await migrate(url)
        async with a_wire(url, 5432) as (wire, by_wire):
            port = free_port()
            with a_scenery(tmp_path, by_wire).duly("api", "app:duly", "--port", str(port)) as api:
                await soon(lambda: answers(f"http://127.0.0.1:{port}"))
                wire.turn(Mode.HALF_OPEN)
                async with asyncio.TaskGroup() as group, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                    asking = [
                        group.create_task(http.post("/v1/tasks", json={"type": "quick", "payload": {}}, timeout=60)),
                        group.create_task(http.get("/v1/tasks", timeout=60)),
                    ]
                    await asyncio.sleep(0.3)

                    took = await end(api)

    assert took < GRACE + GOODBYE
    told = [one.result() for one in asking]
    assert [(one.status_code, one.json()["code"]) for one in told] == [(503, "store-unavailable")] * 2
    assert all(one.headers["retry-after"] for one in told)
    assert not api.said("Traceback")


@pytest.mark.full
@pytest.mark.mistake(43)
@pytest.mark.parametrize("role", ["worker", "api"])
@pytest.mark.parametrize("broker", ["rabbitmq", "redis", "celery+redis"])
async def test_a_process_ends_in_time_whose_broker_is_silent(broker, role, tmp_path):
    kind = RabbitServer if broker == "rabbitmq" else RedisServer
    (tmp_path / "broker").mkdir()
    with ended(kind(tmp_path / "broker")) as server, postgres_database() as url:
        await migrate(url)
        async with a_wire(server.url, 0) as (wire, by_wire):
            given = f"celery+{by_wire}" if broker.startswith("celery") else by_wire
            port = free_port()
            place = a_scenery(tmp_path, url, DULY_BROKER_URL=given)
            with place.duly("api", "app:duly", "--port", str(port)) as api, place.duly("worker", "app:duly") as worker:
                await soon(lambda: worker.said("worker.started") and answers(f"http://127.0.0.1:{port}"))
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                    await http.post("/v1/tasks", json={"type": "quick", "payload": {}})
                    wire.turn(Mode.HALF_OPEN)
                    await http.post("/v1/tasks", json={"type": "quick", "payload": {}})

                took = await end(worker if role == "worker" else api)

    assert took < GRACE + GOODBYE
