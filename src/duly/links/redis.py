"""How Duly talks to Redis and Valkey: connections, time limits, and what the server says of itself."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from duly.domain.errors import Misconfigured
from duly.links.cancels import heeding

OUTSIDE = (RedisError, OSError, TimeoutError)
"""What the driver raises when the server is away, refuses, or is too slow."""

LONGEST_WAIT = timedelta(seconds=2)
"""So long one call may take. A hint, a ring and a cached read are worth no more."""

OLDEST = (6, 2)
"""Redis 6.2 is the first with LPOP of many entries and with times-out below a second in BLPOP."""


@asynccontextmanager
async def redis_at(url: str, name: str, longest: timedelta, *, blocking: bool = False) -> AsyncIterator[Redis]:
    """A client that connects when it is used, and again when it was cut off; each call is tried twice at most.

    ``blocking`` is for calls that wait in the server: no time limit but the caller's own. Raises Misconfigured.
    """
    check_address(url)
    seconds = longest.total_seconds()
    client = Redis.from_url(
        url,
        protocol=2,
        client_name=name,
        socket_connect_timeout=seconds,
        socket_timeout=None if blocking else seconds,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),
    )
    try:
        yield client
    finally:
        await client.aclose()


def check_address(url: str) -> None:
    """Raises Misconfigured, without the address: there may be a password in it."""
    try:
        parse_url(url)
    except ValueError as error:
        raise Misconfigured("A Redis's address looks like redis://user:password@host:6379/0.") from error


Word = str | bytes | int


async def call(client: Redis, *command: Word) -> object:
    """One command, and its answer. Raises what the driver raises."""
    answer: object = await heeding(client.execute_command(*command))  # type: ignore[no-untyped-call]  # redis-py's gap
    return answer


async def call_all(client: Redis, commands: Sequence[tuple[Word, ...]]) -> list[object]:
    """Commands in one round trip; the answer of each, or its error in that place. Raises when the server is away."""
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    answers: list[object] = await heeding(pipe.execute(raise_on_error=False))
    return answers


def said(error: Exception) -> str:
    """What went wrong, in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What a server says of itself."""

    product: str
    """``redis`` or ``valkey``."""
    version: str
    policy: str
    """What is evicted when memory is full (``maxmemory-policy``)."""
    max_memory_bytes: int
    """0: no limit."""
    persistent: bool
    """Whether each write goes to an append-only file."""
    warnings: tuple[str, ...]
    """What is wrong for any use by Duly."""


async def ask(client: Redis) -> RedisFacts:
    """Asked now. Raises what the driver raises."""
    try:
        told = await call(client, "INFO")
    except ResponseError as error:  # an ACL that does not allow INFO, or a proxy that does not know it
        await call(client, "PING")
        return RedisFacts("redis", "unknown", "unknown", 0, False, (f"INFO is not allowed here: {said(error)}",))
    return facts_of(told if isinstance(told, dict) else {})


def facts_of(facts: Mapping[str, object]) -> RedisFacts:
    """What an answer to INFO says."""
    product = "valkey" if "valkey_version" in facts else "redis"
    return RedisFacts(
        product=product,
        version=str(facts.get("valkey_version") or facts.get("redis_version") or "unknown"),
        policy=str(facts.get("maxmemory_policy", "unknown")),
        max_memory_bytes=_number(facts.get("maxmemory")),
        persistent=_number(facts.get("aof_enabled")) == 1,
        warnings=tuple(_wrong(facts)),
    )


def risks_to_hints(told: RedisFacts) -> Iterator[str]:
    """How this server may lose hints, and what to do about it."""
    if told.max_memory_bytes and told.policy != "noeviction":
        yield (
            f"maxmemory-policy is {told.policy}: hints may be evicted, and their tasks start some seconds later."
            " Set it to noeviction, or give the broker a Redis of its own."
        )
    if not told.persistent:
        yield (
            "appendonly is off: a restart of Redis forgets all hints, and their tasks start some seconds later."
            " No task is lost by that."
        )


def _wrong(facts: Mapping[str, object]) -> list[str]:
    found = []
    version = str(facts.get("redis_version", "0"))
    if _as_numbers(version) < OLDEST:
        found.append(f"Redis {version} is too old: Duly needs 6.2 or later, or Valkey.")
    if str(facts.get("role", "master")) != "master":
        found.append("This is a replica, which takes no writes: give the address of the primary.")
    if _number(facts.get("cluster_enabled")) == 1:
        found.append("Cluster mode is on: Duly needs all its keys on one server.")
    if str(facts.get("rdb_last_bgsave_status", "ok")) != "ok":
        found.append("The last snapshot failed, and Redis may refuse writes until one succeeds: look at its disk.")
    return found


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
