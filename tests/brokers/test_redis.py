"""Redis: what an operator, a fault or a stranger can do to it, and how work goes on."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from duly.brokers.redis import RedisBroker, open_redis_broker
from duly.brokers.redis_keys import MAX_MESSAGES
from duly.domain.errors import BrokerUnavailable
from tests.contracts.brokers.houses import Told
from tests.support.hints import AT_ONCE, SOON, a_hint, ids_of
from tests.support.servers import RedisServer, ended

QUICK = timedelta(milliseconds=500)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def prefix() -> str:
    return f"duly_{uuid4().hex[:8]}"


@pytest.fixture
async def broker(redis: RedisServer, prefix: str, told: Told) -> AsyncIterator[RedisBroker]:
    async with open_redis_broker(redis.url, told, prefix=prefix, longest=QUICK) as opened:
        yield opened


@pytest.fixture
async def raw(redis: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis.url) as client:
        yield client


async def test_a_flush_costs_the_hints_and_nothing_else(broker, raw):
    async with broker.subscribe(["default"]) as subscription:
        await broker.announce([a_hint()])
        await raw.flushall()
        assert await subscription.take(1, AT_ONCE) == []

        await broker.announce([hint := a_hint()])
        assert await subscription.take(1, SOON) == [hint]


async def test_a_cancel_at_any_moment_is_heeded(redis, prefix, told):
    """Of a command that was cancelled at the moment when it was sent nobody heard: its program did not end."""
    heeded = 0
    for rounds in range(80):
        async with open_redis_broker(redis.url, told, prefix=prefix, longest=QUICK) as broker:
            announcing = asyncio.create_task(broker.announce([a_hint()]))
            for _ in range(rounds):
                await asyncio.sleep(0)
            if announcing.cancel():
                await asyncio.wait([announcing])
                assert announcing.cancelled(), f"after {rounds} rounds of the event loop"
                heeded += 1

    assert heeded


async def test_scripts_that_the_server_forgot_are_loaded_again(broker, raw):
    async with broker.subscribe(["default"]) as subscription:
        await subscription.take(1, AT_ONCE)
        await raw.script_flush()
        await broker.announce([hint := a_hint()])

        assert await subscription.take(1, SOON) == [hint]


async def test_connections_that_the_server_closes_are_opened_again(broker, raw):
    async with broker.subscribe(["default"]) as subscription:
        await broker.announce([first := a_hint()])
        taken = await subscription.take(1, SOON)
        for kind in ("normal", "pubsub"):
            await raw.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

        await broker.announce([second := a_hint()])
        taken += await subscription.take(1, SOON)

    assert ids_of(taken) == ids_of([first, second])


@pytest.mark.parametrize("write", ["announce first", "take first"])
async def test_a_key_that_is_no_list_is_moved_out_of_the_way(broker, raw, prefix, told, write):
    await raw.set(f"{prefix}:hints:5:default", "somebody's")
    async with broker.subscribe(["default"]) as subscription:
        if write == "take first":
            assert await subscription.take(1, AT_ONCE) == []
        await broker.announce([hint := a_hint(), other := a_hint(priority=1)])

        taken = await subscription.take(1, SOON) + await subscription.take(1, SOON)

    assert set(ids_of(taken)) >= set(ids_of([hint, other]))
    assert told.counted["hint.refused"] == 1
    assert await raw.get(f"{prefix}:dead-letters:{prefix}:hints:5:default") == b"somebody's"
    assert await raw.ttl(f"{prefix}:dead-letters:{prefix}:hints:5:default") > 0


async def test_a_queue_that_nobody_empties_is_bounded_per_priority(broker):
    hints = [a_hint(ids=1) for _ in range(MAX_MESSAGES + 10)]
    await broker.announce([*hints, urgent := a_hint(priority=9)])

    assert await broker.depths(["default"]) == {"default": MAX_MESSAGES + 1}
    async with broker.subscribe(["default"]) as subscription:
        assert await subscription.take(2, SOON) == [urgent, hints[0]]


async def test_every_key_has_an_end(broker, raw, prefix):
    await broker.announce([a_hint("mail", priority=3), a_hint()])
    await raw.rpush(f"{prefix}:hints:9:default", "garbage")
    async with broker.subscribe(["default"]) as subscription:
        await subscription.take(1, SOON)

    keys = [key async for key in raw.scan_iter(f"{prefix}:*")]
    assert sorted(keys) == [f"{prefix}:dead-letters".encode(), f"{prefix}:hints:3:mail".encode()]
    assert all([0 < await raw.ttl(key) <= 14 * 86_400 for key in keys])


async def test_a_server_that_is_full_refuses_and_is_used_again(broker, raw):
    await raw.config_set("maxmemory", "1")
    with pytest.raises(BrokerUnavailable, match="memory"):
        await broker.announce([a_hint()])
    await raw.config_set("maxmemory", "0")

    await broker.announce([a_hint()])


async def test_a_server_that_stands_still_is_away_in_time_and_used_again(broker, redis):
    async with broker.subscribe(["default"]) as subscription:
        await subscription.take(1, AT_ONCE)
        redis.freeze()
        for ask in (lambda: broker.announce([a_hint()]), lambda: subscription.take(1, AT_ONCE)):
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                await ask()
            assert time.monotonic() - began < 30
        redis.thaw()

        await broker.announce([hint := a_hint(priority=9)])
        taken = []
        while hint not in taken:
            taken += await subscription.take(1, SOON)


async def test_a_server_that_freezes_during_a_wait_is_away_in_time(broker, redis):
    async with broker.subscribe(["default"]) as subscription, asyncio.TaskGroup() as group:
        began = time.monotonic()
        waiting = group.create_task(_refused(subscription.take(1, timedelta(seconds=1))))
        await asyncio.sleep(0.3)
        redis.freeze()
        await waiting
        redis.thaw()

    assert time.monotonic() - began < 30


async def test_facts_tell_what_may_cost_hints(broker, raw):
    plain = await broker.facts()
    await raw.config_set("maxmemory", "1gb")
    await raw.config_set("maxmemory-policy", "allkeys-lru")
    await raw.config_set("appendonly", "yes")
    evicting = await broker.facts()

    assert [warning.split(":")[0] for warning in plain.warnings] == ["appendonly is off"]
    assert [warning.split(":")[0] for warning in evicting.warnings] == ["maxmemory-policy is allkeys-lru"]
    assert plain.version.split()[0] in ("redis", "valkey")
    assert len(plain.topology) == 2


async def test_facts_of_a_replica_say_so(redis, broker, tmp_path, told):
    with ended(RedisServer(tmp_path, "--replicaof", "127.0.0.1", str(redis.port))) as replica:
        async with open_redis_broker(replica.url, told) as other:
            facts = await other.facts()
            with pytest.raises(BrokerUnavailable):
                await other.announce([a_hint()])

    assert any("replica" in warning for warning in facts.warnings)


async def test_a_user_without_info_gets_facts_that_say_so(redis, raw, told):
    await raw.acl_setuser("limited", enabled=True, passwords=["+password"], keys=["*"], commands=["+@all", "-info"])
    url = redis.url.replace("redis://", "redis://limited:password@")
    async with open_redis_broker(url, told) as broker:
        facts = await broker.facts()

    assert "INFO is not allowed here" in facts.warnings[0]


async def test_a_wrong_password_is_told_and_never_shown(redis, told):
    async with open_redis_broker(redis.url.replace("redis://", "redis://duly:hunter2@"), told) as broker:
        with pytest.raises(BrokerUnavailable, match="password") as refused:
            await broker.announce([a_hint()])

    assert "hunter2" not in str(refused.value)


async def _refused(call) -> None:
    with pytest.raises(BrokerUnavailable):
        await call
