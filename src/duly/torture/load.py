"""The mixed load of several clients, at a steady rate whatever the service does."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from uuid import UUID

import httpx

from duly.domain.state import FINAL
from duly.torture.caller import Answer, Caller
from duly.torture.house import House
from duly.torture.mix import Follow, Wish, a_wish, deadly
from duly.torture.plan import Plan
from duly.torture.records import Pen

AT_ONCE = 24
"""Lives that one client follows at the same time; while it has so many it submits nothing."""

TRIES = 20
AGAIN = 0.5
"""How often a submit with a key is repeated while its outcome is unknown, and seconds between."""

TWICE = 0.1
"""How many submits with a key are sent twice at the same time."""

DEADLY_AFTER = 12.0
DEADLY_EVERY = 40.0
"""Seconds: each takes two workers with it, and whoever ran beside it is charged a crash too."""

UNKNOWN = frozenset({None, 409, 429, 500, 503})
"""Answers to a submit with a key that are to be followed by the same again; none is one of them."""

FINALS = frozenset(state.value for state in FINAL)


class Load:
    """Submits ``rate`` tasks a second, times ``pressure``."""

    def __init__(self, plan: Plan, house: House, told_at: str) -> None:
        self.pressure = 1.0
        self.accepted = 0
        self.recent: deque[str] = deque(maxlen=200)
        """Ids of tasks that were accepted lately."""
        self.random = Random(plan.seed)  # noqa: S311  # chance that can be repeated
        self._plan = plan
        self._house = house
        self._told_at = told_at
        self._ended = asyncio.Event()
        self._through = asyncio.Event()
        self._clients = plan.clients
        self.callers: list[Caller] = []

    async def end(self) -> None:
        """No more; returns when all that was begun is through."""
        self._ended.set()
        await self._through.wait()

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator["Load"]:
        """At work until the end, which waits for all that was begun."""
        async with AsyncExitStack() as stack:
            limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
            for number in range(self._plan.clients):
                pen = stack.enter_context(Pen(folder / f"client-{number}.jsonl"))
                http = await stack.enter_async_context(httpx.AsyncClient(limits=limits))
                self.callers.append(Caller(f"client-{number}", self._house.urls, pen, http))
            async with asyncio.TaskGroup() as group:
                for number, caller in enumerate(self.callers):
                    group.create_task(self._client(caller, Random(self._plan.seed * 1000 + number)))  # noqa: S311
                group.create_task(self._deadly(self.callers[0]))
                yield self
                self._ended.set()

    async def burst(self, size: int) -> None:
        """So many at once, in one batch."""
        bodies = [{"type": "torture.echo", "payload": {"number": number}} for number in range(size)]
        key = str(UUID(int=self.random.getrandbits(128)))
        caller = self.random.choice(self.callers)
        for attempt_no in range(1, TRIES):
            answer = await caller.submit_many(bodies, key, attempt_no)
            if answer.status not in UNKNOWN:
                return
            await asyncio.sleep(AGAIN)

    async def _client(self, caller: Caller, random: Random) -> None:
        """Paced by the clock: what could not be submitted while it stood still is left out, not made up for."""
        lives = asyncio.Semaphore(AT_ONCE)
        due = time.monotonic() + random.random()
        async with asyncio.TaskGroup() as group:
            while not self._ended.is_set():
                await asyncio.sleep(max(due - time.monotonic(), 0))
                await lives.acquire()
                life = group.create_task(self._life(caller, a_wish(random, self._told_at), random))
                life.add_done_callback(lambda _: lives.release())
                due = max(due, time.monotonic() - 1) + self._plan.clients / (self._plan.rate * self.pressure)
        self._clients -= 1
        if not self._clients:
            self._through.set()

    async def _deadly(self, caller: Caller) -> None:
        wait = DEADLY_AFTER
        while not await self._over(wait):
            await self._life(caller, deadly(), self.random)
            wait = DEADLY_EVERY

    async def _over(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._ended.wait()
        except TimeoutError:
            return False

    async def _life(self, caller: Caller, wish: Wish, random: Random) -> None:
        answer = await self._submitted(caller, wish, random)
        task = answer.task
        if task is None:
            return
        self.accepted += 1
        id_ = str(task["id"])
        self.recent.append(id_)
        await self._follow(caller, wish.follow, id_, random)

    async def _submitted(self, caller: Caller, wish: Wish, random: Random) -> Answer:
        """Without a key it is tried once: its outcome may stay unknown."""
        if wish.key is None:
            return await caller.submit(wish.body, None)
        if random.random() < TWICE:
            async with asyncio.TaskGroup() as group:
                group.create_task(caller.submit(wish.body, wish.key))
                group.create_task(caller.submit(wish.body, wish.key))
        for attempt_no in range(1, TRIES):
            answer = await caller.submit(wish.body, wish.key, attempt_no)
            if answer.status not in UNKNOWN:
                break
            await asyncio.sleep(AGAIN)
        return answer

    async def _follow(self, caller: Caller, follow: Follow, id_: str, random: Random) -> None:
        match follow:
            case Follow.GET:
                await self._looked_at(caller, id_, random)
            case Follow.WAIT:
                await self._until_final(caller, id_)
            case Follow.STREAM:
                await caller.stream(id_)
            case Follow.CANCEL:
                await asyncio.sleep(random.uniform(0, 1))
                await caller.move(id_, "cancel")
                await caller.get(id_)
            case Follow.RETRY:
                if await self._until_final(caller, id_) and not self._ended.is_set():
                    await caller.move(id_, "retry")
                    await caller.get(id_)
            case Follow.LIST:
                await caller.list()
            case Follow.NOTHING:
                pass

    async def _looked_at(self, caller: Caller, id_: str, random: Random) -> None:
        etag: str | None = None
        for _ in range(random.randint(1, 4)):
            answer = await caller.get(id_, etag)
            etag = answer.etag or etag
            await asyncio.sleep(random.uniform(0.02, 0.4))

    async def _until_final(self, caller: Caller, id_: str) -> bool:
        for _ in range(5):
            answer = await caller.get(id_, wait=True)
            if answer.task is not None and answer.task["state"] in FINALS:
                return True
            if answer.status is None:
                await asyncio.sleep(AGAIN)
        return False
