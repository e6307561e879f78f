"""Bells whose server goes away, comes back, is cut off, or hears nothing; and rings from a real other process."""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
import pytest
from redis.asyncio import Redis

from duly.brokers.redis_bell import redis_bell
from duly.domain.errors import Misconfigured
from duly.engine.bell import LocalBell
from duly.links import ringing
from duly.links.ringing import WiredBell, packed, ringing_over
from duly.links.waiters import SAID
from duly.stores.sql.postgres_bell import postgres_bell
from tests.contracts.bells.houses import comes_back
from tests.contracts.brokers.houses import Told
from tests.support.servers import PostgresServer, RedisServer, ended
from tests.support.stage import becomes_true

SOON = timedelta(seconds=20)
NOT = timedelta(milliseconds=200)


@dataclass
class Home:
    server: PostgresServer | RedisServer
    name: str
    told: Told = field(default_factory=Told)

    def open(self) -> AbstractAsyncContextManager[WiredBell]:
        make = {"postgres_bell": postgres_bell, "redis_bell": redis_bell}[self.name]
        return make(self.server.url, LocalBell(), self.told)

    async def cut(self) -> None:
        if self.name == "redis_bell":
            async with Redis.from_url(self.server.url) as redis:
                for kind in ("normal", "pubsub"):
                    await redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            return
        connection = await asyncpg.connect(self.server.url)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'duly-bell'"
        )
        await connection.close()


@pytest.fixture(scope="module", params=["postgres_bell", "redis_bell"])
def served(request, tmp_path_factory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp(request.param)
    with ended(PostgresServer(folder) if request.param == "postgres_bell" else RedisServer(folder)) as server:
        yield Home(server, request.param)


@pytest.fixture
def home(served: Home) -> Home:
    return Home(served.server, served.name)


@pytest.mark.mistake(34)
async def test_a_server_that_goes_away_holds_nobody_up_and_is_used_again(home):
    async with home.open() as bell, home.open() as far:
        assert await comes_back(bell, 10)
        assert await comes_back(far, 10)
        await asyncio.to_thread(home.server.kill)

        with bell.listen(["queue:mail"]) as ear:
            took = []
            for _ in range(20):
                began = time.perf_counter()
                bell.ring(["queue:mail"])
                took.append(time.perf_counter() - began)
                assert await ear.wait(SOON)
                await asyncio.sleep(0.02)
            assert statistics.median(took) < 0.05

        await asyncio.to_thread(home.server.start)
        assert await comes_back(bell, 30)
        assert await comes_back(far, 30)
        with far.listen(["queue:mail"]) as ear:
            await ear.wait(NOT)
            bell.ring(["queue:mail"])
            assert await ear.wait(SOON)

    assert home.told.counted["bell.lost"] >= 2
    assert home.told.counted["bell.healed"] >= 2


async def test_connections_that_are_cut_are_opened_again(home):
    async with home.open() as bell, home.open() as far:
        assert await comes_back(far, 10)
        await home.cut()

        assert await comes_back(bell, 10)
        assert await comes_back(far, 10)
        with far.listen(["queue:mail"]) as ear:
            await ear.wait(NOT)
            bell.ring(["queue:mail"])
            assert await ear.wait(SOON)


async def test_a_bell_whose_server_was_never_there_opens_at_once_and_rings_here(home):
    await asyncio.to_thread(home.server.kill)
    began = time.perf_counter()
    async with home.open() as bell:
        assert time.perf_counter() - began < 5
        with bell.listen(["queue:mail"]) as ear:
            bell.ring(["queue:mail"])
            assert await ear.wait(SOON)
        assert not await bell.comes_back(NOT)
        await asyncio.to_thread(home.server.start)
        assert await comes_back(bell, 30)
    assert home.told.counted["bell.lost"] == 1


async def test_a_ring_of_a_real_other_process_is_heard(home):
    program = f"""
import asyncio
import statistics
from datetime import timedelta
from duly.engine.bell import LocalBell
from {postgres_bell.__module__ if home.name == "postgres_bell" else redis_bell.__module__} import {home.name}

async def main():
    async with {home.name}({home.server.url!r}, LocalBell(), lambda *_: None) as bell:
        while not await bell.comes_back(timedelta(seconds=1)):
            pass
        bell.ring(["queue:mail"])
        await bell.comes_back(timedelta(seconds=5))

asyncio.run(main())
"""
    async with home.open() as bell:
        assert await comes_back(bell, 10)
        with bell.listen(["queue:mail"]) as ear:
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
            assert await ear.wait(timedelta(seconds=20))
            assert await process.wait() == 0


async def test_who_rings_after_the_end_wakes_those_here(home):
    async with home.open() as bell:
        pass
    with bell.listen(["queue:mail"]) as ear:
        bell.ring(["queue:mail"])
        assert await ear.wait(SOON)


async def test_what_strangers_send_harms_nobody(home):
    async with home.open() as bell:
        assert await comes_back(bell, 10)
        if home.name == "redis_bell":
            async with Redis.from_url(home.server.url) as redis:
                for payload in (b"", b"\xff\xfe", b"\n\n\n", b"x" * 100_000):
                    await redis.publish("duly:bell", payload)
        else:
            connection = await asyncpg.connect(home.server.url)
            for payload in ("", "\n\n\n", "x" * 7_999):
                await connection.execute("SELECT pg_notify('duly_bell', $1)", payload)
            await connection.close()

        assert await comes_back(bell, 20)
    assert home.told.counted["bell.lost"] == 0


async def test_one_notification_carries_what_gathered(home):
    if home.name != "postgres_bell":
        return
    heard = []
    connection = await asyncpg.connect(home.server.url)
    await connection.add_listener("duly_bell", lambda *notification: heard.append(notification[-1]))
    async with home.open() as bell:
        assert await comes_back(bell, 10)
        heard.clear()
        for number in range(300):
            bell.ring([f"queue:{number}"])
        assert await comes_back(bell, 20)
        await becomes_true(lambda: any("queue:299" in payload for payload in heard))  # each hears in its own time
    await connection.close()

    assert len([payload for payload in heard if "queue:" in payload]) <= 5, "the others are pings"
    assert all(len(payload.encode()) < 8_000 for payload in heard)


@asynccontextmanager
async def _deaf(heard: Callable[[str], None]) -> AsyncIterator["_DeafWire"]:
    yield _DeafWire()


class _DeafWire:
    """What a pooler in transaction mode makes of LISTEN: nothing arrives, and nothing fails."""

    async def send(self, payloads: list[str]) -> None:
        pass

    async def watch(self) -> None:
        await asyncio.Event().wait()


class _Shared:
    """What all hear that one sends."""

    def __init__(self) -> None:
        self.heard: list[Callable[[str], None]] = []
        self.sent = 0

    @asynccontextmanager
    async def connected(self, heard: Callable[[str], None]) -> AsyncIterator["_Shared"]:
        self.heard.append(heard)
        yield self

    async def send(self, payloads: list[str]) -> None:
        self.sent += 1
        for heard in self.heard:
            heard(payloads[0])

    async def watch(self) -> None:
        await asyncio.Event().wait()


async def test_of_many_who_hear_each_other_few_ping(monkeypatch):
    """A hundred idle workers rang each other out of their sleep a thousand times in ten seconds."""
    monkeypatch.setattr(ringing, "PING_EVERY", timedelta(milliseconds=200))
    wire, told = _Shared(), Told()
    async with AsyncExitStack() as stack:
        bells = [await stack.enter_async_context(ringing_over(wire.connected, LocalBell(), told)) for _ in range(50)]
        await asyncio.sleep(2)  # ten intervals: five hundred pings if each sent its own

        assert 1 <= wire.sent <= 250
        assert all([await bell.comes_back(SOON) for bell in bells])
    assert not told.counted


async def test_a_bell_that_hears_nothing_says_so_once_and_rings_here(monkeypatch):
    monkeypatch.setattr(ringing, "PING_EVERY", timedelta(milliseconds=10))
    told = Told()
    async with ringing_over(_deaf, LocalBell(), told) as bell:
        assert not await bell.comes_back(NOT)
        with bell.listen(["queue:mail"]) as ear:
            bell.ring(["queue:mail"])
            assert await ear.wait(SOON)

    assert told.counted == {"bell.deafened": 1}


@pytest.mark.parametrize(
    ("make", "url"),
    [
        (postgres_bell, "mysql://root@127.0.0.1/"),
        (postgres_bell, "no address"),
        (redis_bell, "http://127.0.0.1"),
    ],
)
async def test_an_address_that_cannot_be_is_refused_at_once(make, url):
    with pytest.raises(Misconfigured, match="address"):
        async with make(url, LocalBell(), Told()):
            pass


def test_payloads_are_split_below_the_limit_and_lose_no_topic():
    topics = {f"task:{number:036}" for number in range(1_000)}

    payloads = packed("sender", topics)

    assert len(payloads) > 1
    assert all(len(payload.encode()) < 8_000 for payload in payloads)
    assert {topic for payload in payloads for topic in payload.split("\n")[1:]} == topics
    assert all(payload.startswith("sender\n") for payload in payloads)


def test_too_many_topics_become_one_that_wakes_everybody():
    assert packed("sender", {f"task:{number:036}" for number in range(1_900)}) == ["sender\n*"]
    assert packed("sender", {"x" * 9_000}) == ["sender\n*"]
    assert packed("sender", {"queue:a", "*"}) == ["sender\n*"]
    assert packed("sender", set()) == ["sender"]
    assert packed("sender", {"queue:a", "*", SAID}) == ["sender\n*", f"sender\n{SAID}"]
