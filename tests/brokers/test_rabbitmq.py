"""RabbitMQ: what an operator, a fault or a stranger can do to it, and how work goes on."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import aiormq
import pytest

from duly.brokers.rabbitmq.broker import RabbitBroker
from duly.brokers.rabbitmq.topology import Topology
from duly.domain.errors import BrokerUnavailable
from tests.contracts.brokers.houses import Told
from tests.support.hints import AT_ONCE, SOON, a_hint, all_taken, ids_of
from tests.support.servers import RabbitServer


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def topology() -> Topology:
    return Topology(f"duly_{uuid4().hex[:8]}", max_messages=20)


@pytest.fixture
async def broker(rabbit: RabbitServer, topology: Topology, told: Told) -> AsyncIterator[RabbitBroker]:
    opened = RabbitBroker(rabbit.url, topology, timedelta(seconds=3), told)
    yield opened
    await opened.close()


async def test_connections_that_the_broker_closes_are_opened_again(broker, rabbit):
    async with broker.subscribe(["default"]) as subscription:
        await broker.announce([first := a_hint()])
        taken = await subscription.take(1, SOON)
        await asyncio.to_thread(rabbit.cut_all)

        taken += await _taken_after_errors(subscription, broker, second := a_hint())

    assert ids_of(taken) == ids_of([first, second])


async def test_a_cut_connection_gives_back_what_was_held(broker, rabbit):
    await broker.announce([a_hint() for _ in range(6)])
    async with broker.subscribe(["default"]) as subscription:
        taken = await subscription.take(1, SOON)
        await asyncio.to_thread(rabbit.cut_all)
        taken += await _taken_after_errors(subscription, broker, a_hint(priority=0))
        taken += await all_taken(subscription, 7 - len(taken))

    assert len(set(ids_of(taken))) == 7


async def test_a_queue_that_is_deleted_under_its_consumer_is_made_and_consumed_again(broker, rabbit, topology):
    async with broker.subscribe(["default"]) as subscription, asyncio.TaskGroup() as group:
        await subscription.take(1, AT_ONCE)
        waiting = group.create_task(subscription.take(1, timedelta(seconds=120)))
        await asyncio.to_thread(rabbit.control, "delete_queue", topology.queue_for("default"))
        await broker.announce([hint := a_hint()])

        assert await asyncio.wait_for(waiting, 60) == [hint]


async def test_an_announcement_to_a_queue_that_was_deleted_makes_it_again(broker, rabbit, topology):
    await broker.announce([a_hint()])
    await asyncio.to_thread(rabbit.control, "delete_queue", topology.queue_for("default"))

    await broker.announce([a_hint(), a_hint("other")])

    assert await broker.depths(["default", "other"]) == {"default": 1, "other": 1}


async def test_a_queue_that_is_purged_goes_on(broker, rabbit, topology):
    async with broker.subscribe(["default"]) as subscription:
        await subscription.take(1, AT_ONCE)
        await subscription.consume([])
        await broker.announce([a_hint() for _ in range(5)])
        await asyncio.to_thread(rabbit.control, "purge_queue", topology.queue_for("default"))
        await subscription.consume(["default"])
        await broker.announce([hint := a_hint()])

        assert await subscription.take(10, SOON) == [hint]


async def test_a_queue_that_nobody_empties_is_bounded_and_says_so(broker, told):
    hints = [a_hint() for _ in range(30)]
    await broker.announce(hints)

    assert await broker.depths(["default"]) == {"default": 20}
    assert told.counted["broker.full"] == 1
    async with broker.subscribe(["default"]) as subscription:
        assert await subscription.take(1, SOON) == hints[:1]


async def test_after_the_end_nothing_is_unacknowledged_and_no_connection_is_left(broker, rabbit, topology):
    async with broker.subscribe(["default"]) as subscription:
        await broker.announce([a_hint() for _ in range(9)])
        await subscription.take(4, SOON)
    await broker.close()

    counts = await asyncio.to_thread(rabbit.control, "list_queues", "name", "messages_unacknowledged", "consumers")
    assert f"{topology.queue_for('default')}\t0\t0" in counts
    connections = await asyncio.to_thread(rabbit.control, "list_connections", "pid")
    assert connections.strip() in ("", "pid")


async def test_a_queue_that_somebody_else_declared_is_used_as_it_is(broker, rabbit, topology):
    async with aiormq.connect(rabbit.url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(topology.queue_for("theirs"), durable=True, arguments={"x-queue-type": "quorum"})

    async with broker.subscribe(["theirs"]) as subscription:
        await broker.announce([hint := a_hint("theirs")])
        assert await broker.depths(["theirs"]) == {"theirs": 1}
        assert await subscription.take(1, SOON) == [hint]


async def test_a_user_that_may_not_declare_uses_what_is_there(rabbit, topology, told):
    name = f"user_{uuid4().hex[:8]}"
    await asyncio.to_thread(rabbit.control, "add_user", name, "password")
    await asyncio.to_thread(rabbit.control, "set_permissions", name, "^$", ".*", ".*")
    url = rabbit.url.replace("guest:guest", f"{name}:password")
    broker = RabbitBroker(url, topology, timedelta(seconds=3), told)
    async with aiormq.connect(rabbit.url) as connection:
        channel = await connection.channel()
        queue = topology.queue_for("default")
        await channel.queue_declare(queue, durable=True, arguments=topology.arguments(queue))

    async with broker.subscribe(["default"]) as subscription:
        await broker.announce([hint := a_hint()])
        assert await subscription.take(1, SOON) == [hint]
    await broker.close()


async def test_a_queue_that_this_user_may_not_have_stops_no_other(rabbit, topology, told):
    """One such queue kept the relay from asking after all, and what was told with it was thrown away."""
    name = f"user_{uuid4().hex[:8]}"
    await asyncio.to_thread(rabbit.control, "add_user", name, "password")
    await asyncio.to_thread(rabbit.control, "set_permissions", name, r".*hints\.default$", ".*", ".*")
    broker = RabbitBroker(rabbit.url.replace("guest:guest", f"{name}:password"), topology, timedelta(seconds=3), told)

    await broker.announce([a_hint("missing"), a_hint()])
    await broker.announce([a_hint("missing"), a_hint()])

    assert await broker.depths(["default", "missing"]) == {"default": 2}
    assert told.counted["broker.refused"] == 1
    await broker.close()


async def test_a_broker_that_stands_still_is_away_in_time_and_used_again(broker, rabbit):
    async with broker.subscribe(["default"]) as subscription:
        await broker.announce([a_hint()])
        await subscription.take(1, SOON)
        rabbit.freeze()
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                await broker.announce([a_hint(priority=0)])
            assert time.monotonic() - began < 30
        began = time.monotonic()
        assert await subscription.take(1, AT_ONCE) == []
        assert time.monotonic() - began < 30
        rabbit.thaw()

        await broker.announce([last := a_hint(priority=9)])
        taken = []
        while last not in taken:
            taken += await subscription.take(1, SOON)


async def test_a_wrong_password_is_told_and_never_shown(rabbit, topology, told):
    broker = RabbitBroker(rabbit.url.replace("guest:guest", "guest:hunter2"), topology, timedelta(seconds=3), told)

    with pytest.raises(BrokerUnavailable) as refused:
        await broker.announce([a_hint()])

    assert "ACCESS_REFUSED" in str(refused.value)
    assert "hunter2" not in str(refused.value)


async def test_a_broker_that_is_out_of_memory_refuses_in_time_while_workers_go_on(broker, rabbit):
    """RabbitMQ stops reading from those who publish; consumers have connections of their own."""
    async with broker.subscribe(["default"]) as subscription:
        await broker.announce([first := a_hint()])
        await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "0.00001")
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await _announce_often(broker)
        assert time.monotonic() - began < 30
        taken = await subscription.take(1, SOON)

        await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "0.4")
        await broker.announce([last := a_hint(priority=9)])
        while last not in taken:
            taken += await subscription.take(1, SOON)

    assert taken[0] == first


@pytest.mark.parametrize("field", ["header name", "header value", "property"])
async def test_a_message_that_no_client_can_read_blocks_nobody(broker, rabbit, topology, told, field):
    """AMQP strings need not be UTF-8, and a client that cannot decode them dies of each delivery anew."""
    async with broker.subscribe(["default"]) as subscription:
        await subscription.take(1, AT_ONCE)
        await asyncio.to_thread(_publish_raw, rabbit.port, topology.queue_for("default"), field)

        taken = await _taken_after_errors(subscription, broker, hint := a_hint(priority=0))
        taken += await subscription.take(1, AT_ONCE)

    assert taken == [hint]
    assert told.counted["hint.refused"] == 1


async def _announce_often(broker):
    for _ in range(50):
        await broker.announce([a_hint(priority=0)])


async def _taken_after_errors(subscription, broker, hint):
    """Workers and announcers try again."""
    async with asyncio.timeout(60):
        while True:
            try:
                await broker.announce([hint])
                break
            except BrokerUnavailable:
                continue
        while True:
            try:
                if taken := await subscription.take(1, SOON):
                    return taken
            except BrokerUnavailable:
                continue


def _publish_raw(port: int, queue: str, field: str) -> None:
    """A message with a string that is not UTF-8, written by hand: no client library would."""
    bad = b"\xff\xfe\x80"

    def method(channel: int, class_id: int, method_id: int, arguments: bytes) -> bytes:
        return _frame(1, channel, struct.pack(">HH", class_id, method_id) + arguments)

    def short(text: bytes) -> bytes:
        return bytes([len(text)]) + text

    def long(text: bytes) -> bytes:
        return struct.pack(">I", len(text)) + text

    name, value = (bad, b"x") if field == "header name" else (b"x", bad)
    headers = long(short(name) + b"S" + long(value))
    flags, properties = (0x8000, short(bad)) if field == "property" else (0x2000, headers)
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.settimeout(5)
        link.sendall(b"AMQP\x00\x00\x09\x01")
        link.recv(65536)
        link.sendall(method(0, 10, 11, long(b"") + short(b"PLAIN") + long(b"\x00guest\x00guest") + short(b"en_US")))
        link.recv(65536)
        link.sendall(method(0, 10, 31, struct.pack(">HIH", 2047, 131072, 0)))
        link.sendall(method(0, 10, 40, short(b"/") + short(b"") + b"\x00"))
        link.recv(65536)
        link.sendall(method(1, 20, 10, short(b"")))
        link.recv(65536)
        link.sendall(
            method(1, 60, 40, struct.pack(">H", 0) + short(b"") + short(queue.encode()) + b"\x00")
            + _frame(2, 1, struct.pack(">HHQH", 60, 0, 2, flags) + properties)
            + _frame(3, 1, b"{}")
        )
        link.sendall(method(1, 20, 40, struct.pack(">H", 200) + short(b"") + struct.pack(">HH", 0, 0)))
        link.recv(65536)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"
