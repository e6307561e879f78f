"""A bell that reaches other processes through a server: what PostgreSQL's and Redis's have in common.

A ring wakes local ears at once and goes out with all others that gathered while the last ones were sent. A bell is a
hint: while the server is away rings are lost, and when it is back everybody is woken once.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from datetime import timedelta
from threading import Lock, get_ident
from typing import Protocol

from duly.links.waiters import SIGNALS, Waiters
from duly.ports.bell import TASKS, Bell, Ear
from duly.ports.telemetry import Emit

PING_EVERY = timedelta(seconds=10)
LONGEST_UNPINGED = 30
"""After so many intervals in which others were heard it pings all the same: what it sends may go another way."""

SEND_LIMIT = timedelta(seconds=5)
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""In seconds, between two attempts to connect."""

MAX_PAYLOAD = 7_900
"""In bytes; PostgreSQL allows less than 8,000."""

MAX_PAYLOADS = 8
"""When more would be needed, one that wakes everybody is sent instead."""

MAX_TOPICS = 2_000
EVERYBODY = "*"

Heard = Callable[[str], None]
"""Told each payload that arrives, our own too; in the event loop."""


class Wire(Protocol):
    """An open connection to a server that spreads payloads, already listening."""

    async def send(self, payloads: Sequence[str]) -> None:
        """Hand all over in one go. Raises whatever the driver raises."""
        ...

    async def watch(self) -> None:
        """Read until the connection is lost, which raises or returns."""
        ...


Connect = Callable[[Heard], AbstractAsyncContextManager[Wire]]


@asynccontextmanager
async def ringing_over(connect: Connect, local: Bell, emit: Emit) -> AsyncIterator["WiredBell"]:
    """A bell over this wire for as long as the context is open. Connects behind the scenes, and again when cut off."""
    bell = WiredBell(connect, local, emit)
    running = asyncio.create_task(bell.run())  # in no group: what the body raises passes through as it is
    try:
        yield bell
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


class WiredBell:
    """A Bell. ``local`` holds the ears of this process."""

    def __init__(self, connect: Connect, local: Bell, emit: Emit) -> None:
        self._connect = connect
        self._local = local
        self._emit = emit
        self._me = secrets.token_hex(6)
        self._gathered = _Gathered()
        self._waiters = Waiters(self._gathered.add)
        self._echo = asyncio.Event()
        self._pings = 0
        self._heard = 0
        """How often in a row something arrived from others between two looks: who hears them needs no ping."""
        self._silent = True
        """Whether nothing arrived since the last look."""

    def ring(self, topics: Collection[str]) -> None:
        """See Bell."""
        self._local.ring(topics)
        if wanted := self._waiters.worth_sending(topics):
            self._gathered.add(wanted)

    def ring_all(self) -> None:
        """See Bell."""
        self._local.ring_all()
        self._gathered.add([EVERYBODY])

    def listen(self, topics: Collection[str]) -> AbstractContextManager[Ear]:
        """See Bell."""
        ear = self._local.listen(topics)
        return self._waiting(ear) if any(topic.startswith(TASKS) for topic in topics) else ear

    @contextmanager
    def _waiting(self, ear: AbstractContextManager[Ear]) -> Iterator[Ear]:
        with self._waiters.one_more(), ear as opened:
            yield opened

    async def comes_back(self, longest: timedelta) -> bool:
        """Whether what is sent now is heard in time; not so while the server is away, nor behind PgBouncer."""
        self._echo.clear()
        self._heard = LONGEST_UNPINGED
        self._gathered.poke()
        try:
            async with asyncio.timeout(longest.total_seconds()):
                await self._echo.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Connect, send and hear, until cancelled."""
        failures = 0
        while True:
            try:
                async with self._connect(self._hear) as wire, asyncio.TaskGroup() as group:
                    if failures:
                        self._emit("bell.healed", {"failures": failures})
                        self._local.ring_all()  # who knows what was missed
                        failures = 0
                    self._waiters.ask()
                    group.create_task(self._watch(wire))
                    await self._send_forever(wire)
            except Exception as error:  # noqa: BLE001  # the top of a loop: whatever a driver raises, we connect again
                failures += 1
                if failures == 1:
                    self._emit("bell.lost", {"error": _said(error)})
            pause = min(FIRST_PAUSE * 2 ** min(failures, 10), LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, not a secret

    def _hear(self, payload: str) -> None:
        sender, *topics = payload.split("\n")
        self._pings, self._silent = 0, False
        if sender == self._me:
            self._echo.set()
        elif topics == [EVERYBODY]:
            self._local.ring_all()
        elif topics:
            self._waiters.hear(topics)
            self._local.ring(topics)

    async def _watch(self, wire: Wire) -> None:
        await wire.watch()
        raise ConnectionError("the connection ended")

    async def _send_forever(self, wire: Wire) -> None:
        """What gathered while the last was sent; a ping when nothing was heard for a while.

        A ping wakes all who listen: were each of a hundred to send its own, PostgreSQL would wake somebody a thousand
        times in ten seconds.
        """
        while True:
            topics = await self._gathered.take(PING_EVERY)
            self._waiters.say()
            if not topics and not self._needs_a_ping():
                continue
            self._pings += not topics
            if self._pings == 2:  # noqa: PLR2004  # the one before came not back
                self._emit("bell.deafened", {"detail": "what is sent is not heard: a pooler in transaction mode?"})
            async with asyncio.timeout(SEND_LIMIT.total_seconds()):
                await wire.send(packed(self._me, topics))

    def _needs_a_ping(self) -> bool:
        heard, self._silent = not self._silent, True
        self._heard = self._heard + 1 if heard and self._heard < LONGEST_UNPINGED else 0
        return self._heard == 0


class _Gathered:
    """What was rung and not sent yet. Filled from any thread, emptied in the loop that it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._lock = Lock()
        self._topics: set[str] = set()
        self._news = asyncio.Event()

    def add(self, topics: Collection[str]) -> None:
        with self._lock:
            first = not self._topics
            self._topics.update(topics)
            if len(self._topics) > MAX_TOPICS:
                self._topics = {EVERYBODY, *self._topics & SIGNALS}
        if first:
            self.poke()

    def poke(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to send
            if get_ident() == self._thread:
                self._news.set()  # at once, not in the loop's next round
            else:
                self._loop.call_soon_threadsafe(self._news.set)

    async def take(self, longest: timedelta) -> set[str]:
        """All of it, as soon as there is something; empty after so long, or when poked."""
        with suppress(TimeoutError):
            async with asyncio.timeout(longest.total_seconds()):
                await self._news.wait()
        self._news.clear()
        with self._lock:
            taken, self._topics = self._topics, set()
        return taken


def packed(sender: str, topics: Collection[str]) -> list[str]:
    """Payloads of lines: the sender, then its topics; the sender alone is a ping."""
    signals = SIGNALS.intersection(topics)
    everybody = [f"{sender}\n{EVERYBODY}", *([sender + "\n" + "\n".join(sorted(signals))] if signals else [])]
    if EVERYBODY in topics:
        return everybody
    payloads, size = [[sender]], len(sender)
    for topic in sorted(topics):
        needed = 1 + len(topic.encode())
        if size + needed > MAX_PAYLOAD:
            payloads.append([sender])
            size = len(sender)
        payloads[-1].append(topic)
        size += needed
    if len(payloads) > MAX_PAYLOADS or size > MAX_PAYLOAD:
        return everybody
    return ["\n".join(lines) for lines in payloads]


def _said(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
