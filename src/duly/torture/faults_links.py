"""Faults of what lies between Duly and its servers, and of the servers themselves."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

from anyio import to_thread

from duly.torture.links import Link
from duly.torture.programs import Server
from duly.torture.proxy import Mode
from duly.torture.records import Json
from duly.torture.stage import Barred, Fault, Stage

HOLDS = {Mode.CUT: 3.0, Mode.DELAY: 5.0, Mode.HALF_OPEN: 5.0, Mode.THROTTLE: 5.0}
"""Seconds."""

LATE = 0.2
SLOW = 20_000
AWAY = 2.0
"""Seconds of delay for each piece; bytes a second and connection; seconds that a server stays away."""

TIMES = 5
"""How often everything is emptied in one fault."""

QUEUES = ("default", "slow", "duly.system")


def faults(stage: Stage) -> Iterator[Fault | Barred]:
    """Those of every link; who is only a guest on a server neither restarts nor empties it."""
    if stage.sqlite is not None:
        yield Barred("cut", "SQLite is a file: no wire leads to it")
    for link in stage.links:
        for mode in HOLDS:
            yield Fault(mode.value, f"{mode.value} {link.name}", partial(_wired, link, mode))
        yield from _of_server(link)
        if set(link.parts) & {"broker", "cache"}:
            yield _flush(link)


def _of_server(link: Link) -> Iterator[Fault | Barred]:
    names = "postgres" if link.kind == "postgresql" else link.kind
    if link.server is None:
        for name in ("restart", "crash"):
            yield Barred(name, f"the {link.name} was given: who started it must restart it")
        return
    yield Fault("restart", f"{names}_restart", partial(_away, link, link.server, link.server.stop))
    yield Fault("crash", f"{names}_crash", partial(_away, link, link.server, link.server.kill))


def _flush(link: Link) -> Fault | Barred:
    if not link.mine:
        return Barred("flush", f"the {link.name} was given, and others may use it: say --mine")
    emptied = {"redis": _flushed, "amqp": _purged}[link.kind]
    return Fault("flush", f"flush {link.name}", partial(_several, partial(emptied, link)))


async def _wired(link: Link, mode: Mode) -> Json:
    link.proxy.seconds, link.proxy.bytes_per_second = LATE, SLOW
    link.proxy.turn(mode)
    try:
        await asyncio.sleep(HOLDS[mode])
    finally:
        link.proxy.turn(Mode.OPEN)
    return {"link": link.name, "part": _part(link)}


def _part(link: Link) -> str:
    """What was out of reach, in the checker's words."""
    return "database" if "store" in link.parts else link.parts[0]


async def _away(link: Link, server: Server, end: Callable[[], None]) -> Json:
    await to_thread.run_sync(end)
    await asyncio.sleep(AWAY)
    await to_thread.run_sync(server.start)
    return {"server": server.program.name, "part": _part(link)}


async def _several(empty: Callable[[], Awaitable[int]]) -> Json:
    """Again and again, for what is in it is in it for moments only."""
    removed = 0
    for _ in range(TIMES):
        removed += await empty()
        await asyncio.sleep(0.3)
    return {"removed": removed}


async def _flushed(link: Link) -> int:
    """FLUSHALL. Returns how many keys there were."""
    from redis.asyncio import Redis  # noqa: PLC0415  # an optional driver

    async with Redis.from_url(link.url) as redis:
        held = int(await redis.dbsize())
        await redis.flushall()
    return held


async def _purged(link: Link) -> int:
    """What is ready in Duly's queues is removed. Returns how many messages that were."""
    import aiormq  # noqa: PLC0415  # an optional driver

    from duly.brokers.rabbitmq.topology import Topology  # noqa: PLC0415  # needs it too

    topology, removed = Topology("duly"), 0
    async with aiormq.connect(link.url) as connection:
        for name in QUEUES:
            with suppress(aiormq.exceptions.ChannelNotFoundEntity):
                channel = await connection.channel()
                removed += (await channel.queue_purge(topology.queue_for(name))).message_count or 0
    return removed
