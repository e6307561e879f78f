"""Limits that many API processes keep together in Redis, and each by itself while that is away."""

import asyncio
import re
import time
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest
from redis.asyncio import Redis

from duly.domain.errors import Misconfigured
from duly.engine.buckets import Buckets
from duly.engine.quotas import AWAY, Kind, Quotas, Shared
from duly.links.redis_buckets import open_redis_buckets
from duly.parts import open_counter
from duly.ports.counter import CounterUnavailable
from duly.settings import Settings
from tests.identity.conftest import Timer, bearer
from tests.support.processes import eventually
from tests.support.servers import RedisServer, ended, free_port
from tests.support.service import a_place, answers
from tests.support.serving import eventually as in_time

HOUR = timedelta(hours=1)


@pytest.fixture
def redis(tmp_path_factory):
    with ended(RedisServer(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture
async def buckets(redis):
    async with open_redis_buckets(redis.url, longest=timedelta(seconds=20)) as opened:
        yield opened


@pytest.fixture
async def raw(redis):
    async with Redis.from_url(redis.url) as client:
        yield client


async def test_no_more_are_allowed_than_there_are_however_many_ask_at_once(buckets):
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(buckets.take("a", 1, amount=10, per=HOUR)) for _ in range(50)]

    assert [one.result().allowed for one in asked].count(True) == 10


async def test_what_is_refused_takes_nothing_and_a_bucket_fills_again(buckets):
    per = timedelta(seconds=3)
    assert (await buckets.take("a", 1, amount=1, per=per)).allowed
    assert not (await buckets.take("a", 1, amount=1, per=per)).allowed

    async def allowed():
        return (await buckets.take("a", 1, amount=1, per=per)).allowed

    assert await in_time(allowed)


async def test_a_debt_is_kept_and_paid_first(buckets):
    await buckets.take("a", 1, amount=10, per=HOUR)

    owed = await buckets.owe("a", 99, amount=10, per=HOUR)

    assert owed.allowed
    assert owed.missing / HOUR == pytest.approx(10, abs=0.01)
    assert not (await buckets.take("a", 1, amount=10, per=HOUR)).allowed


async def test_no_key_is_left_without_an_end_and_none_tells_a_name(buckets, raw):
    await buckets.take("read:somebody@example.org", 1, amount=10, per=HOUR)

    (key,) = await raw.keys("*")

    assert re.fullmatch(rb"duly:limit:[0-9a-f]{32}", key)
    assert 0 < await raw.pttl(key) <= HOUR.total_seconds() * 1000 / 10


async def test_what_somebody_else_wrote_there_is_written_over(buckets, raw):
    await buckets.take("a", 1, amount=10, per=HOUR)
    (key,) = await raw.keys("*")
    await raw.delete(key)
    await raw.rpush(key, "a list")

    assert (await buckets.take("a", 1, amount=10, per=HOUR)).allowed


async def test_a_redis_that_hangs_is_given_up(redis):
    async with open_redis_buckets(redis.url, longest=timedelta(seconds=2)) as buckets:
        await buckets.take("a", 1, amount=10, per=HOUR)
        redis.freeze()

        began = time.monotonic()
        with pytest.raises(CounterUnavailable):
            await buckets.take("a", 1, amount=10, per=HOUR)

        assert time.monotonic() - began < 20
        redis.thaw()


async def test_while_redis_is_away_each_process_counts_for_itself(redis, buckets):
    timer, told = Timer(), []
    shared = Shared(buckets, timer, lambda name, _: told.append(name))
    quotas = Quotas({Kind.READ: Buckets(2, HOUR, timer)}, shared)
    for _ in range(2):
        assert (await quotas.charge("a", Kind.READ)).level.allowed

    redis.kill()
    own = [(await quotas.charge("a", Kind.READ)).level.allowed for _ in range(3)]
    redis.start()
    timer.advance(AWAY)
    back = await quotas.charge("b", Kind.READ)
    redis.kill()
    again = await quotas.charge("b", Kind.READ)

    assert own == [True, True, False]
    assert (back.level.left, again.level.left) == (1, 1)
    assert told == ["limits.unavailable"] * 2


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ({}, False),
        ({"cache_url": "redis://h/1"}, True),
        ({"broker_url": "redis://h/1"}, True),
        ({"bell_url": "rediss://h/1"}, True),
        ({"cache_url": "memory://", "broker_url": "amqp://h"}, False),
        ({"cache_url": "redis://h/1", "limits_url": "none"}, False),
        ({"limits_url": "redis://h/1"}, True),
    ],
)
async def test_any_redis_counts_unless_told_otherwise(given, counted):
    async with open_counter(Settings(**given)) as counter:
        assert (counter is not None) is counted


def test_an_address_of_something_else_is_refused():
    with pytest.raises(Misconfigured, match="DULY_LIMITS_URL"):
        open_counter(Settings(limits_url="amqp://h"))


@pytest.mark.system
@pytest.mark.mistake(8)
def test_two_api_processes_allow_no_more_together_and_go_on_without_redis(redis, tmp_path):
    place = a_place(tmp_path)
    place.migrate()
    key = place.run("keys", "create", "shop", "--scope", "admin").stdout.strip()
    env = {
        "DULY_AUTH": "required",
        "DULY_LIMIT_SUBMIT": "20/1h",
        "DULY_LIMIT_READ": "1000/1s",
        "DULY_LIMITS_URL": redis.url,
    }
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    with ExitStack() as stack:
        for url in urls:
            stack.enter_context(place.duly("api", "app:duly", "--port", url.rpartition(":")[2], **env))
        for url in urls:
            eventually(lambda url=url: answers(url))
        batch = _submit(urls[0], key, 8)
        alone = [_submit(urls[number % 2], key) for number in range(20)]
        redis.kill()
        without = [_submit(urls[1], key) for _ in range(2)]
        readings = _looks(urls[0], key)
        redis.start()

    assert (batch.status_code, batch.headers["ratelimit"].partition(";t=")[0]) == (202, '"submit";r=12')
    assert batch.headers["ratelimit-policy"] == '"submit";q=20;w=3600'
    assert [answer.status_code for answer in alone] == [202] * 12 + [429] * 8
    assert 0 < int(alone[-1].headers["retry-after"]) <= 180
    assert [answer.status_code for answer in without] == [202, 202]
    assert readings == 200


def _submit(url, key, tasks=1):
    task = {"type": "text.reverse", "payload": {"text": "a"}}
    path, body = ("/v1/tasks", task) if tasks == 1 else ("/v1/tasks/batch", {"tasks": [task] * tasks})
    return httpx.post(f"{url}{path}", json=body, headers=bearer(key), trust_env=False, timeout=30)


def _looks(url, key):
    return httpx.get(f"{url}/v1/tasks", headers=bearer(key), trust_env=False).status_code
