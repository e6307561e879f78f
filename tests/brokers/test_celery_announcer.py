"""Announcing to a Celery fleet: over Redis and RabbitMQ, no worker near."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta

import pytest
from kombu import Exchange, Queue

from duly.brokers.celery import announcer as module
from duly.brokers.celery.announcer import CeleryAnnouncer, open_celery_announcer
from duly.brokers.celery.application import address_of, celery_application
from duly.domain.errors import BrokerUnavailable, Misconfigured
from tests.contracts.brokers.houses import Told
from tests.support.hints import a_hint
from tests.support.servers import RabbitServer, RedisServer, ended, free_port

Server = RedisServer | RabbitServer


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, rabbit: RabbitServer) -> Iterator[dict[str, Server]]:
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    with ended(redis):
        yield {"redis": redis, "rabbitmq": rabbit}


@pytest.fixture(params=["redis", "rabbitmq"])
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    return servers[request.param]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def announcer(server: Server, told: Told) -> AsyncIterator[CeleryAnnouncer]:
    async with open_celery_announcer(f"celery+{server.url}", told) as opened:
        yield opened


def taken(server: Server, queue: str) -> list[dict[str, object]]:
    """All messages of the queue, as a Celery worker would get them: task, id, arguments."""
    app = celery_application(address_of(f"celery+{server.url}"))
    found = []
    with app.connection_for_read() as connection:
        simple = app.amqp.queues[queue](connection.default_channel)
        while (message := simple.get(no_ack=True)) is not None:
            found.append({**message.headers, "args": message.payload[0]})
    return found


async def test_each_id_is_a_message_of_its_own_and_each_announcement_has_a_new_celery_id(announcer, server):
    hint = a_hint("ids", ids=2)
    await announcer.announce([hint])
    await announcer.announce([hint])
    messages = taken(server, "ids")

    assert [message["args"] for message in messages] == [[str(id_), "ids"] for id_ in hint.ids] * 2
    assert {message["task"] for message in messages} == {"duly.run"}
    ids = [str(message["id"]) for message in messages]
    assert len(set(ids)) == 4
    assert all(id_.startswith(str(message["args"][0])) for id_, message in zip(ids, messages, strict=True))


async def test_the_most_urgent_come_out_first(announcer, server):
    hints = {number: a_hint("urgent", ids=1, priority=number) for number in (0, 5, 9, 1)}
    await announcer.announce(list(hints.values()))

    assert [message["args"][0] for message in taken(server, "urgent")] == [
        str(hints[number].ids[0]) for number in (9, 5, 1, 0)
    ]


async def test_depths_count_what_waits_and_make_the_queues(announcer):
    await announcer.announce([a_hint("deep", ids=3)])

    assert await announcer.depths(["deep", "empty"]) == {"deep": 3, "empty": 0}


async def test_a_full_queue_is_told_of_no_more(announcer, told, monkeypatch):
    monkeypatch.setattr(module, "MAX_MESSAGES", 3)
    await announcer.announce([a_hint("full", ids=2), a_hint("full", ids=2)])

    assert await announcer.depths(["full"]) == {"full": 3}
    assert told.events == [("broker.full", {"refused": 1, "queues": ["full"]})]


async def test_it_says_what_it_is_and_that_nobody_listens(announcer):
    facts = await announcer.facts()

    assert facts.kind == "celery"
    assert " over R" in facts.version or " over redis" in facts.version
    assert await announcer.listeners(timedelta(milliseconds=300)) == {}


async def test_a_queue_that_somebody_made_otherwise_is_used_as_it_is(servers, told):
    server = servers["rabbitmq"]
    with celery_application(address_of(f"celery+{server.url}")).connection_for_write() as connection:
        Queue("theirs", Exchange("theirs", type="direct"), routing_key="theirs")(connection.default_channel).declare()
    async with open_celery_announcer(f"celery+{server.url}", told) as announcer:
        await announcer.announce([a_hint("theirs", ids=1), a_hint("ours", ids=1)])

        assert await announcer.depths(["theirs", "ours"]) == {"theirs": 1, "ours": 1}
        assert any("theirs: made otherwise" in rule for rule in (await announcer.facts()).topology)


@pytest.mark.mistake(34)
@pytest.mark.parametrize("make", [RedisServer, pytest.param(RabbitServer, marks=pytest.mark.full)])
async def test_a_broker_that_was_killed_is_used_again_when_it_is_back(make: Callable[..., Server], tmp_path, told):
    server = make(tmp_path)
    with ended(server):
        async with open_celery_announcer(f"celery+{server.url}", told, longest=timedelta(seconds=1)) as announcer:
            await announcer.announce([a_hint("back", ids=1)])
            server.kill()
            for ask in (
                lambda: announcer.announce([a_hint("back")]),
                lambda: announcer.depths(["back"]),
                announcer.facts,
            ):
                began = time.monotonic()
                with pytest.raises(BrokerUnavailable):
                    await ask()
                assert time.monotonic() - began < 30
            server.start()
            await announcer.announce([a_hint("back", ids=1)])

            assert (await announcer.depths(["back"]))["back"] >= 1


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
async def test_a_broker_that_is_away_can_be_opened(scheme, told):
    async with open_celery_announcer(f"celery+{scheme}://127.0.0.1:{free_port()}/", told) as announcer:
        with pytest.raises(BrokerUnavailable):
            await announcer.facts()


@pytest.mark.parametrize(
    "url", ["redis://here", "celery+http://here", "celery+redis://", "celery+amqp://user:secret/word@here:1x/"]
)
async def test_an_address_that_cannot_be_is_refused_at_once_without_its_password(url, told):
    with pytest.raises(Misconfigured, match="address") as refused:
        async with open_celery_announcer(url, told):
            pass

    assert "secret" not in str(refused.value)
