"""Limits for each identity, and the fields that tell of them (draft-ietf-httpapi-ratelimit-headers-10)."""

from datetime import timedelta

import pytest

from duly.engine.buckets import MOST, Buckets
from duly.engine.quotas import Kind, Quotas
from tests.identity.conftest import Timer

SECOND = timedelta(seconds=1)


@pytest.fixture
def timer():
    return Timer()


@pytest.fixture
async def counted(open_guarded, timer):
    """Two submits and three reads a minute."""
    minute = 60 * SECOND
    quotas = Quotas({Kind.SUBMIT: Buckets(2, minute, timer), Kind.READ: Buckets(3, minute, timer)})
    async for guarded in open_guarded(quotas=quotas):
        yield guarded


def _fields(answer):
    return answer.headers.get("ratelimit"), answer.headers.get("ratelimit-policy")


@pytest.mark.standard(
    "RateLimit draft", "3", "RateLimit-Policy names each policy, its quota q and its window w in seconds."
)
@pytest.mark.standard(
    "RateLimit draft", "4", "RateLimit names the policy, what is left (r), and the seconds until more (t)."
)
async def test_each_answer_tells_what_is_left_and_what_is_allowed(counted):
    key = await counted.key()

    fields = [_fields(await counted.ask("GET", "/v1/tasks", key)) for _ in range(2)]

    assert fields == [('"read";r=2;t=20', '"read";q=3;w=60'), ('"read";r=1;t=20', '"read";q=3;w=60')]


@pytest.mark.standard("RFC 6585", "4", "429: too many requests in a time, with Retry-After where that is known.")
@pytest.mark.standard(
    "RateLimit draft", "5", "A refused request is told of its limits too; Retry-After and t name the same time."
)
async def test_beyond_the_limit_it_is_429_with_the_time_until_there_is_more(counted, timer):
    key = await counted.key()
    for _ in range(3):
        await counted.ask("GET", "/v1/tasks", key)

    answer = await counted.ask("GET", "/v1/tasks", key)
    timer.advance(20 * SECOND)
    later = await counted.ask("GET", "/v1/tasks", key)

    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "too-many", "20")
    assert _fields(answer) == ('"read";r=0;t=20', '"read";q=3;w=60')
    assert later.status_code == 200


async def test_identities_and_kinds_are_counted_apart(counted):
    one, two = await counted.key(), await counted.key()
    for _ in range(3):
        await counted.ask("GET", "/v1/tasks", one)
    body = {"type": "text.reverse", "payload": {"text": "a"}}

    assert (await counted.ask("GET", "/v1/tasks", two)).status_code == 200
    assert (await counted.ask("POST", "/v1/tasks", one, json=body)).status_code == 202
    assert (await counted.ask("GET", "/v1/tasks", one)).status_code == 429


@pytest.mark.standard("RateLimit draft", "5", "The fields are left out where nothing is limited.")
async def test_what_is_not_counted_has_no_fields(counted):
    key = await counted.key()

    paused = await counted.ask("POST", "/v1/queues/a/pause", key)
    health = await counted.client.get("/health/live")
    nobody = await counted.client.get("/v1/tasks")

    assert [_fields(answer) for answer in (paused, health, nobody)] == [(None, None)] * 3


def test_a_bucket_fills_evenly_and_no_further_than_its_brim(timer):
    buckets = Buckets(10, SECOND, timer)
    for _ in range(10):
        assert buckets.take("a").allowed
    assert not buckets.take("a").allowed

    timer.advance(SECOND / 2)
    assert buckets.look("a").left == 5
    timer.advance(60 * SECOND)

    assert buckets.look("a").left == 10


def test_a_refused_request_takes_nothing(timer):
    buckets = Buckets(1, SECOND, timer)
    buckets.take("a")

    for _ in range(100):
        buckets.take("a")
    timer.advance(SECOND)

    assert buckets.take("a").allowed


def test_no_more_names_are_kept_than_there_is_room_for(timer):
    buckets = Buckets(1, SECOND, timer)

    for number in range(MOST + 10):
        buckets.take(str(number))

    assert len(buckets._full_at) == MOST
    assert buckets.look("0").left == 1
    assert buckets.look(str(MOST)).left == 0


async def test_a_batch_counts_as_its_tasks_and_owes_what_is_not_there(counted, timer):
    key = await counted.key()
    body = {"tasks": [{"type": "text.reverse", "payload": {"text": "a"}}] * 5}

    batch = await counted.ask("POST", "/v1/tasks/batch", key, json=body)
    refused = await counted.ask("POST", "/v1/tasks", key, json=body["tasks"][0])
    timer.advance(120 * SECOND)
    later = await counted.ask("POST", "/v1/tasks", key, json=body["tasks"][0])

    assert (batch.status_code, _fields(batch)[0]) == (202, '"submit";r=0;t=120')
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "120")
    assert later.status_code == 202
