"""Redis and Valkey as a broker: lists of messages, one per queue and priority (docs/adr: why lists)."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from duly.brokers.message import MAX_KEPT, Foreign, encode, opened
from duly.brokers.redis_keys import FOREIGN_KEPT, KEPT, MAX_FOREIGN, MAX_MESSAGES, TAKE, RedisKeys
from duly.domain.errors import BrokerUnavailable
from duly.domain.task import HIGHEST_PRIORITY
from duly.links.cancels import heeding
from duly.links.redis import LONGEST_WAIT, OUTSIDE, Word, ask, call, call_all, redis_at, risks_to_hints, said
from duly.ports.broker import BrokerFacts, Hint
from duly.ports.telemetry import Emit

GRACE = timedelta(seconds=2)
"""So much later than asked may a waiting server answer, before it counts as away."""


@asynccontextmanager
async def open_redis_broker(
    url: str, emit: Emit, *, prefix: str = "duly", longest: timedelta = LONGEST_WAIT
) -> AsyncIterator["RedisBroker"]:
    """The broker at ``redis://…`` or ``rediss://…``; connects when it is used. Raises Misconfigured."""
    async with redis_at(url, "duly-broker", longest) as client:
        yield RedisBroker(client, url, RedisKeys(prefix), longest, emit)


class RedisBroker:
    """A Broker. Shares one client among all announcements; each subscription has its own."""

    def __init__(self, client: Redis, url: str, keys: RedisKeys, longest: timedelta, emit: Emit) -> None:
        self._client = client
        self._url = url
        self._keys = keys
        self._longest = longest
        self._emit = emit

    async def announce(self, hints: Sequence[Hint]) -> None:
        """See Announcer. All hints go in one round trip."""
        with _translated():
            broken = await self._push(hints)
            if broken:
                await set_aside_keys(self._client, self._keys, broken, self._emit)
                await self._push(hints)

    async def depths(self, queues: Collection[str]) -> dict[str, int]:
        """See Announcer."""
        named = tuple(queues)
        with _translated():
            lists = [self._keys.of(queue, number) for queue in named for number in range(HIGHEST_PRIORITY + 1)]
            lengths = await call_all(self._client, [("LLEN", key) for key in lists])
        each = [length if isinstance(length, int) else 0 for length in lengths]
        width = HIGHEST_PRIORITY + 1
        return {queue: sum(each[at * width : (at + 1) * width]) for at, queue in enumerate(named)}

    async def facts(self) -> BrokerFacts:
        """See Announcer."""
        with _translated():
            told = await ask(self._client)
            foreign = await call(self._client, "LLEN", self._keys.dead_letters)
        warnings = [*told.warnings, *risks_to_hints(told)]
        if foreign:
            warnings.append(f"{foreign} messages that are not Duly's were put aside in {self._keys.dead_letters}.")
        return BrokerFacts("redis", f"{told.product} {told.version}", tuple(warnings), self._keys.rules())

    async def close(self) -> None:
        """See Announcer."""
        await self._client.aclose()

    @asynccontextmanager
    async def subscribe(self, queues: Collection[str]) -> AsyncIterator["RedisSubscription"]:
        """See Broker."""
        async with redis_at(self._url, "duly-worker", self._longest, blocking=True) as client:
            yield RedisSubscription(client, self._keys, queues, self._longest, self._emit)

    async def _push(self, hints: Sequence[Hint]) -> list[str]:
        """The keys that are no lists."""
        keys = [self._keys.of(hint.queue, hint.priority) for hint in hints]
        commands: list[tuple[Word, ...]] = [("RPUSH", key, encode(hint)) for key, hint in zip(keys, hints, strict=True)]
        for key in dict.fromkeys(keys):
            commands += [("LTRIM", key, 0, MAX_MESSAGES - 1), ("EXPIRE", key, KEPT // timedelta(seconds=1))]
        answers = await call_all(self._client, commands)
        for answer in answers:
            if isinstance(answer, Exception) and not _no_list(answer):
                raise answer
        return [key for key, answer in zip(keys, answers, strict=False) if isinstance(answer, Exception)]


class RedisSubscription:
    """A Subscription: looks into all lists with one script, and waits in BLPOP when there was nothing."""

    def __init__(self, client: Redis, keys: RedisKeys, queues: Collection[str], longest: timedelta, emit: Emit) -> None:
        self._client = client
        self._keys = keys
        self._queues = tuple(queues)
        self._longest = longest
        self._emit = emit
        self._script = client.register_script(TAKE)
        self._waiting: asyncio.Timeout | None = None

    async def take(self, limit: int, longest: timedelta) -> list[Hint]:
        """See Subscription. Queues take turns in coming first."""
        until = asyncio.get_running_loop().time() + longest.total_seconds()
        while True:
            self._queues = (*self._queues[1:], *self._queues[:1])
            with _translated():
                hints = await self._look(limit) or await self._wait(limit, until)
            if hints or asyncio.get_running_loop().time() >= until:
                return hints

    async def consume(self, queues: Collection[str]) -> None:
        """See Subscription. A ``take`` that waits goes on with the new queues at once."""
        self._queues = tuple(queues)
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(0)

    async def _look(self, limit: int) -> list[Hint]:
        lists = self._keys.by_priority(self._queues)
        if not lists:
            return []
        async with asyncio.timeout(self._longest.total_seconds()):
            taken, broken = await heeding(self._script(keys=list(lists), args=[limit]))
            if broken:
                await set_aside_keys(self._client, self._keys, [key.decode() for key in broken], self._emit)
            pairs = zip(taken[::2], taken[1::2], strict=True)
            return await self._open([(lists[key.decode()], body) for key, body in pairs])

    async def _wait(self, limit: int, until: float) -> list[Hint]:
        """The first that comes, and what came with it."""
        loop = asyncio.get_running_loop()
        left = until - loop.time()
        if left <= 0:
            return []
        lists = self._keys.by_priority(self._queues)
        try:
            async with asyncio.timeout(left + GRACE.total_seconds()) as self._waiting:
                found = await self._first(lists, left)
        except TimeoutError:
            if loop.time() < until:
                return []  # other queues now
            raise
        finally:
            self._waiting = None
        if not found:
            return []
        first = await self._open(found)
        room = limit - sum(len(hint.ids) for hint in first)
        return first + (await self._look(room) if room > 0 else [])

    async def _first(self, lists: dict[str, str], seconds: float) -> list[tuple[str, bytes]]:
        if not lists:
            await asyncio.sleep(seconds)  # every queue is paused: only ``consume`` ends this
            return []
        match await call(self._client, "BLPOP", *lists, f"{seconds:.3f}"):
            case [bytes(key), bytes(body)]:
                return [(lists[key.decode()], body)]
        return []

    async def _open(self, bodies: Sequence[tuple[str, bytes]]) -> list[Hint]:
        hints = []
        for each in opened(bodies):
            if isinstance(each, Foreign):
                await self._set_aside(each)
            else:
                hints.append(each)
        return hints

    async def _set_aside(self, foreign: Foreign) -> None:
        self._emit("hint.refused", {"queue": foreign.queue, "cause": foreign.reason, "bytes": len(foreign.body)})
        await call_all(
            self._client,
            [
                ("LPUSH", self._keys.dead_letters, foreign.body[:MAX_KEPT]),
                ("LTRIM", self._keys.dead_letters, 0, MAX_FOREIGN - 1),
                ("EXPIRE", self._keys.dead_letters, FOREIGN_KEPT // timedelta(seconds=1)),
            ],
        )


async def set_aside_keys(client: Redis, keys: RedisKeys, broken: Sequence[str], emit: Emit) -> None:
    """Somebody wrote something else than a list where ours belong: move it out of the way."""
    for key in dict.fromkeys(broken):
        emit("hint.refused", {"key": key, "cause": "no list"})
        aside = keys.broken(key)  # renaming fails where another process was quicker, and that is well
        await call_all(client, [("RENAME", key, aside), ("EXPIRE", aside, FOREIGN_KEPT // timedelta(seconds=1))])


def _no_list(error: Exception) -> bool:
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OUTSIDE as error:
        raise BrokerUnavailable(f"Redis did not do it: {said(error)}") from error
