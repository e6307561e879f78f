"""What `duly doctor` looks at beside the database. Nothing here can lose a task."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

from duly.cli.checks import Finding, Verdict
from duly.cli.replica_check import about_replica
from duly.domain.errors import BrokerUnavailable, CacheUnavailable, DulyError
from duly.engine.bell import LocalBell
from duly.parts import counter_url, open_announcer, open_bell, open_broker, open_cache, open_counter
from duly.ports.bell import Bell, Ear
from duly.ports.broker import Announcer
from duly.ports.counter import CounterUnavailable
from duly.ports.store import Store
from duly.settings import Settings
from duly.settings_rules import safe_url
from duly.stores.sql.sqlite_watch import watched_file

RUNG_WITHIN = timedelta(seconds=3)
LONG_BACKLOG = 1_000
"""So many tasks may wait in the database, without a message about them, before that is worth a word."""

FEW = 100
"""So many messages more than tasks may be on their way: whoever takes them finds nothing."""


async def about_parts(store: Store, settings: Settings) -> AsyncIterator[Finding]:
    """What replica, broker, bell, cache and limits say, as far as the settings name them."""
    if settings.database_replica_url:
        yield await about_replica(store, settings)
    async for finding in _broker(store, settings):
        yield finding
    yield await _bell(settings)
    if settings.cache_url:
        yield await _cache(store, settings)
    if counter_url(settings) != "none" and _limited(settings):
        yield await _limits(settings)


async def _broker(store: Store, settings: Settings) -> AsyncIterator[Finding]:
    try:
        async with open_broker(settings, _silent) as own, open_announcer(settings, _silent) as fleet:
            broker = fleet if own is None else own
            if broker is None:
                yield Finding(Verdict.OK, "broker", "none: workers look in the database")
                return
            facts = await broker.facts()
            where = safe_url(settings.broker_url)
            yield Finding(Verdict.OK, "broker", f"{facts.kind} {facts.version} at {where}")
            for warning in facts.warnings:
                yield Finding(Verdict.WARN, "broker", warning)
            for rule in facts.topology:
                yield Finding(Verdict.OK, "topology", rule)
            async for finding in _depths(store, broker):
                yield finding
            if fleet is not None:
                from duly.cli.celery_checks import about_fleet  # noqa: PLC0415  # an optional library

                async for finding in about_fleet(store, settings):
                    yield finding
    except BrokerUnavailable as error:
        advice = "is it running, and is DULY_BROKER_URL right? Tasks are found in the database meanwhile"
        yield Finding(Verdict.FAIL, "broker", f"{safe_url(settings.broker_url)} cannot be used: {error}", advice)
    except DulyError as error:
        yield Finding(Verdict.FAIL, "broker", str(error))


async def _depths(store: Store, broker: Announcer) -> AsyncIterator[Finding]:
    """What the broker holds against what the database counts, and a word about each queue where they do not fit."""
    pending = {depth.queue: depth.pending for depth in await store.queues.depths()}
    paused = {state.name: state.paused for state in await store.queues.states()}
    held = await broker.depths(paused.keys() | pending.keys())
    waiting, messages = sum(pending.values()), sum(held.values())
    yield Finding(Verdict.OK, "hints", f"{messages} messages there, {waiting} tasks pending in the database")
    for queue in sorted(held):
        if not paused.get(queue, False) and (finding := misfit(queue, held[queue], pending.get(queue, 0))):
            yield finding


def misfit(queue: str, messages: int, pending: int) -> Finding | None:
    """A message has one id at least and a hundred at most; None: the numbers fit."""
    detail = f"{queue}: {messages} messages there, {pending} tasks pending in the database"
    if pending >= LONG_BACKLOG and not messages:
        advice = "does a process with this DULY_BROKER_URL run? Its relay announces"
        return Finding(Verdict.WARN, "hints", detail, advice)
    if messages > pending + FEW:
        advice = "does a worker with this DULY_BROKER_URL serve the queue? The messages do no harm"
        return Finding(Verdict.WARN, "hints", detail, advice)
    return None


async def _bell(settings: Settings) -> Finding:
    """Ring on one connection and listen on another."""
    topic = f"doctor:{secrets.token_hex(8)}"
    try:
        async with open_bell(settings, LocalBell(), _silent) as far, open_bell(settings, LocalBell(), _silent) as near:
            if isinstance(near, LocalBell):
                return Finding(Verdict.OK, "bell", _unwired(settings.database_url))
            with far.listen({topic}) as ear:
                return _heard(await _rung(near, ear, topic))
    except DulyError as error:
        return Finding(Verdict.FAIL, "bell", str(error))


def _unwired(database: str) -> str:
    if watched_file(database) is None:
        return "none between processes: they look now and then"
    return "the SQLite file: each process sees when another has written to it"


async def _rung(bell: Bell, ear: Ear, topic: str) -> bool:
    for _ in range(10):
        bell.ring({topic})
        if await ear.wait(RUNG_WITHIN / 10):
            return True
    return False


def _heard(heard: bool) -> Finding:
    if heard:
        return Finding(Verdict.OK, "bell", "a ring arrives")
    advice = "behind a pooler NOTIFY does not arrive: name the server itself in DULY_BELL_URL, or a Redis, or none"
    return Finding(Verdict.WARN, "bell", "a ring does not arrive: everybody looks now and then", advice)


async def _cache(store: Store, settings: Settings) -> Finding:
    try:
        async with open_cache(settings, store.clock) as cache:
            assert cache is not None  # noqa: S101  # the settings name one
            return Finding(Verdict.OK, "cache", await cache.check())
    except CacheUnavailable as error:
        advice = "is it running, and is DULY_CACHE_URL right? The database answers meanwhile"
        return Finding(Verdict.FAIL, "cache", f"{safe_url(settings.cache_url)} cannot be used: {error}", advice)
    except DulyError as error:
        return Finding(Verdict.FAIL, "cache", str(error))


def _limited(settings: Settings) -> bool:
    return bool(settings.limit_submit or settings.limit_read or settings.limit_control)


async def _limits(settings: Settings) -> Finding:
    """Take a token as a request would."""
    where = safe_url(counter_url(settings))
    try:
        async with open_counter(settings) as counter:
            assert counter is not None  # noqa: S101  # the settings name one
            await counter.take(f"doctor:{secrets.token_hex(8)}", 1, amount=1, per=timedelta(milliseconds=1))
        return Finding(Verdict.OK, "limits", f"counted together at {where}")
    except CounterUnavailable as error:
        advice = "is it running? Each API process counts for itself meanwhile, so clients have more than their share"
        return Finding(Verdict.FAIL, "limits", f"{where} cannot be used: {error}", advice)
    except DulyError as error:
        return Finding(Verdict.FAIL, "limits", str(error))


def _silent(_: str, __: object) -> None:
    """The findings say what there is to say."""
