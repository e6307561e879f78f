"""Which client and which kind of queue and message carry hints best in RabbitMQ: what ADR 0009 quotes.

Run: python benchmarks/brokers_rabbitmq.py [amqp://guest:guest@127.0.0.1/]     needs aio-pika beside Duly's own drivers

One process publishes messages of 100 ids with confirms and mandatory, 20 at a time, then consumes them with a prefetch
of two, acknowledging each. Each shape is measured three times, in turns; the median counts.
"""

import asyncio
import json
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from uuid import uuid4

import aio_pika
import aiormq
from pamqp.commands import Basic

MESSAGES = 2_000
TOGETHER = 20
PREFETCH = 2
TRANSIENT, PERSISTENT = 1, 2

PLAIN = {"x-queue-type": "classic"}
PRIORITIES = {"x-queue-type": "classic", "x-max-priority": 9}
OURS = PRIORITIES | {"x-max-length": 10_000, "x-overflow": "reject-publish", "x-expires": 604_800_000}
QUORUM = {"x-queue-type": "quorum"}
BODY = json.dumps({"count": 100, "queue": "default", "priority": 5, "ids": [uuid4().hex for _ in range(100)]}).encode()

Result = tuple[float, float, float, float]
Run = Callable[[str, dict[str, object], int], Awaitable[Result]]


async def with_aiormq(url: str, arguments: dict[str, object], mode: int) -> Result:
    name = f"duly-bench-{uuid4().hex[:8]}"
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(name, durable=True, arguments=arguments)

        async def publish(number: int) -> None:
            properties = Basic.Properties(delivery_mode=mode, priority=number % 10, message_id=str(number))
            await channel.basic_publish(BODY, routing_key=name, mandatory=True, properties=properties)

        published = await _timed(_all(publish))
        consuming = await connection.channel(publisher_confirms=False)
        await consuming.basic_qos(prefetch_count=PREFETCH)
        left, done = MESSAGES, asyncio.Event()

        async def receive(message: aiormq.abc.DeliveredMessage) -> None:
            nonlocal left
            await consuming.basic_ack(message.delivery_tag, wait=False)
            left -= 1
            if not left:
                done.set()

        async def consume() -> None:
            await consuming.basic_consume(name, receive)
            await done.wait()

        consumed = await _timed(consume())
        await channel.queue_delete(name)
    return *published, *consumed


async def with_aio_pika(url: str, arguments: dict[str, object], mode: int) -> Result:
    connection = await aio_pika.connect_robust(url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(f"duly-bench-{uuid4().hex[:8]}", durable=True, arguments=arguments)

        async def publish(number: int) -> None:
            message = aio_pika.Message(BODY, delivery_mode=mode, priority=number % 10)
            await channel.default_exchange.publish(message, queue.name, mandatory=True)

        published = await _timed(_all(publish))
        await channel.set_qos(PREFETCH)
        left, done = MESSAGES, asyncio.Event()

        async def receive(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            nonlocal left
            await message.ack()
            left -= 1
            if not left:
                done.set()

        async def consume() -> None:
            await queue.consume(receive)
            await done.wait()

        consumed = await _timed(consume())
        await queue.delete(if_unused=False, if_empty=False)
    return *published, *consumed


SHAPES: dict[str, tuple[Run, dict[str, object], int]] = {
    "aiormq, classic, transient": (with_aiormq, PLAIN, TRANSIENT),
    "aiormq, classic, persistent": (with_aiormq, PLAIN, PERSISTENT),
    "aiormq, ten priorities, transient": (with_aiormq, PRIORITIES, TRANSIENT),
    "aiormq, ten priorities, persistent": (with_aiormq, PRIORITIES, PERSISTENT),
    "aiormq, as Duly declares it, transient": (with_aiormq, OURS, TRANSIENT),
    "aio-pika, as Duly declares it, transient": (with_aio_pika, OURS, TRANSIENT),
    "aiormq, quorum": (with_aiormq, QUORUM, PERSISTENT),
}


async def _all(publish: Callable[[int], Awaitable[None]]) -> None:
    for start in range(0, MESSAGES, TOGETHER):
        async with asyncio.TaskGroup() as group:
            for number in range(start, start + TOGETHER):
                group.create_task(publish(number))


async def _timed(work: Awaitable[None]) -> tuple[float, float]:
    """Messages a second, and microseconds of this process's CPU for each."""
    start, cpu = time.perf_counter(), _cpu()
    await work
    return MESSAGES / (time.perf_counter() - start), (_cpu() - cpu) / MESSAGES * 1e6


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(url: str) -> None:
    results: dict[str, list[Result]] = defaultdict(list)
    for _ in range(3):
        for name, (run, arguments, mode) in SHAPES.items():
            results[name].append(await run(url, arguments, mode))
    print(f"{'':44}{'publish':>10}{'us CPU':>8}{'consume':>12}{'us CPU':>8}")
    for name, runs in results.items():
        publish, publish_cpu, consume, consume_cpu = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:44}{publish:>8,.0f}/s{publish_cpu:>8.0f}{consume:>10,.0f}/s{consume_cpu:>8.0f}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "amqp://guest:guest@127.0.0.1/"))
