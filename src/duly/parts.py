"""Which adapter serves an address. Its driver is an extra, imported only where it is asked for."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path

from duly.caches.memory import MemoryCache
from duly.domain.errors import Misconfigured
from duly.domain.webhook import for_whom
from duly.engine.callback_rules import CallbackRules
from duly.engine.callbacks import Courier, caller
from duly.engine.limits import Limits
from duly.engine.lists import LONGEST_WAIT, Lists
from duly.links.guard import network_of, resolve
from duly.ports.bell import Bell
from duly.ports.broker import Announcer, Broker
from duly.ports.cache import Cache
from duly.ports.clock import Clock
from duly.ports.counter import Counter
from duly.ports.store import Store
from duly.ports.telemetry import Emit, Siblings, Tracing
from duly.settings import Settings
from duly.stores.sql.open import check_replica, open_sql_store
from duly.telemetry.spool import Spool

REDIS = ("redis", "rediss")


def limits_of(settings: Settings) -> Limits:
    """The sizes and times that the settings allow."""
    return Limits(
        max_body=int(settings.max_body),
        max_result=int(settings.max_result),
        max_pending=settings.max_pending,
        max_streams=settings.max_streams,
        max_streams_each=settings.max_streams_each,
        callbacks=callback_rules(settings),
        timeout=settings.default_timeout,
    )


def callback_rules(settings: Settings) -> CallbackRules:
    """Where callbacks may go."""
    hosts = frozenset(for_whom(secret)[0] for secret in settings.callback_secrets)
    return CallbackRules(
        enabled=bool(hosts),
        hosts=None if "" in hosts else hosts,
        networks=tuple(network_of(text) for text in settings.callback_networks),
    )


def courier_of(settings: Settings, clock: Clock, tracing: Tracing | None) -> Courier:
    """What delivers callbacks in a worker."""
    rules = callback_rules(settings)
    return Courier(settings.callback_secrets, lambda: caller(rules, resolve, version("duly")), clock, tracing)


def siblings(settings: Settings, name: str) -> Siblings | None:
    """The processes that are scraped as one with this one, which has this name; None: it is scraped alone."""
    if not settings.metrics_dir or settings.metrics == "off":
        return None
    return Spool(Path(settings.metrics_dir), name)


@asynccontextmanager
async def open_lists(settings: Settings, database: Store, emit: Emit) -> AsyncIterator[Lists | None]:
    """Lists from the read replica that the settings name; None where they name none. Raises Misconfigured."""
    if not settings.database_replica_url:
        yield None
        return
    check_replica(settings.database_replica_url, settings.database_url)
    lists = Lists(database, partial(open_replica, settings), emit)
    try:
        yield lists
    finally:
        await lists.close()


async def open_replica(settings: Settings) -> Store:
    """The read replica that the settings name. Raises StoreUnavailable, SchemaOutdated, Misconfigured."""
    check_replica(settings.database_replica_url, settings.database_url)
    return await open_sql_store(settings.database_replica_url, longest=LONGEST_WAIT)


def open_broker(settings: Settings, emit: Emit) -> AbstractAsyncContextManager[Broker | None]:
    """The broker of Duly's own workers; none where the settings name none, or a fleet's. Raises Misconfigured."""
    url = settings.broker_url
    match _scheme(url):
        case "" | "celery+amqp" | "celery+amqps" | "celery+redis" | "celery+rediss":
            return nullcontext()
        case "amqp" | "amqps":
            return _rabbitmq(url, emit)
        case "redis" | "rediss":
            return _redis(url, emit)
        case scheme:
            known = "amqp, amqps, redis, rediss, and each with celery+ before it"
            raise Misconfigured(f"DULY_BROKER_URL: Duly knows {known}; not {scheme}.")


def open_announcer(settings: Settings, emit: Emit) -> AbstractAsyncContextManager[Announcer | None]:
    """What makes tasks known to a Celery fleet; None where the settings name none. Raises Misconfigured."""
    if not _scheme(settings.broker_url).startswith("celery+"):
        return nullcontext()
    try:
        from duly.brokers.celery.announcer import open_celery_announcer  # noqa: PLC0415  # an optional library
    except ModuleNotFoundError as error:
        raise _driver("Celery", "celery") from error
    return open_celery_announcer(settings.broker_url, emit)


def open_bell(settings: Settings, local: Bell, emit: Emit) -> AbstractAsyncContextManager[Bell]:
    """The bell of this process, or one around it that reaches others; PostgreSQL brings its own.

    Raises Misconfigured.
    """
    url = settings.bell_url or _own_bell(settings.database_url)
    match _scheme(url):
        case "" | "none":
            return nullcontext(local)
        case "postgresql":
            return _postgres_bell(url, local, emit)
        case "redis" | "rediss":
            return _redis_bell(url, local, emit)
        case scheme:
            raise Misconfigured(f"DULY_BELL_URL: Duly knows postgresql, redis and rediss, not {scheme}.")


def open_cache(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Cache | None]:
    """The cache of status reads that the settings name; none where they name none. Raises Misconfigured."""
    match _scheme(settings.cache_url):
        case "":
            return nullcontext()
        case "memory":
            return nullcontext(MemoryCache(clock))
        case "redis" | "rediss":
            return _redis_cache(settings.cache_url)
        case scheme:
            raise Misconfigured(f"DULY_CACHE_URL: Duly knows memory, redis and rediss, not {scheme}.")


def counter_url(settings: Settings) -> str:
    """Where API processes count together, or ``none``."""
    others = (settings.cache_url, settings.bell_url, settings.broker_url)
    return settings.limits_url or next((url for url in others if _scheme(url) in REDIS), "none")


def open_counter(settings: Settings) -> AbstractAsyncContextManager[Counter | None]:
    """What counts requests for all API processes: the Redis that the settings name for this, or for anything.

    None: each process counts for itself. Raises Misconfigured.
    """
    url = counter_url(settings)
    match _scheme(url):
        case "none":
            return nullcontext()
        case "redis" | "rediss":
            return _redis_counter(url)
        case scheme:
            raise Misconfigured(f"DULY_LIMITS_URL: Duly knows redis, rediss and none, not {scheme}.")


def _redis_counter(url: str) -> AbstractAsyncContextManager[Counter]:
    try:
        from duly.links.redis_buckets import open_redis_buckets  # noqa: PLC0415  # an optional driver
    except ModuleNotFoundError as error:
        raise _driver("Redis", "redis") from error
    return open_redis_buckets(url)


def _redis_cache(url: str) -> AbstractAsyncContextManager[Cache]:
    try:
        from duly.caches.redis import open_redis_cache  # noqa: PLC0415  # an optional driver
    except ModuleNotFoundError as error:
        raise _driver("Redis", "redis") from error
    return open_redis_cache(url)


def _own_bell(database_url: str) -> str:
    """PostgreSQL rings between its clients; SQLite's file is watched, MySQL has nothing of the kind."""
    return database_url if _scheme(database_url) == "postgresql" else ""


def _postgres_bell(url: str, local: Bell, emit: Emit) -> AbstractAsyncContextManager[Bell]:
    try:
        from duly.stores.sql.postgres_bell import postgres_bell  # noqa: PLC0415  # an optional driver
    except ModuleNotFoundError as error:
        raise _driver("PostgreSQL", "postgres") from error
    return postgres_bell(url, local, emit)


def _redis_bell(url: str, local: Bell, emit: Emit) -> AbstractAsyncContextManager[Bell]:
    try:
        from duly.brokers.redis_bell import redis_bell  # noqa: PLC0415  # an optional driver
    except ModuleNotFoundError as error:
        raise _driver("Redis", "redis") from error
    return redis_bell(url, local, emit)


def _rabbitmq(url: str, emit: Emit) -> AbstractAsyncContextManager[Broker]:
    try:
        from duly.brokers.rabbitmq.broker import open_rabbitmq_broker  # noqa: PLC0415  # an optional driver
    except ModuleNotFoundError as error:
        raise _driver("RabbitMQ", "rabbitmq") from error
    return open_rabbitmq_broker(url, emit)


def _redis(url: str, emit: Emit) -> AbstractAsyncContextManager[Broker]:
    try:
        from duly.brokers.redis import open_redis_broker  # noqa: PLC0415  # an optional driver
    except ModuleNotFoundError as error:
        raise _driver("Redis", "redis") from error
    return open_redis_broker(url, emit)


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _driver(name: str, extra: str) -> Misconfigured:
    return Misconfigured(f"{name} needs its driver: pip install 'duly[{extra}]'.")
