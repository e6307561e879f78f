"""Dramatiq: messages in RabbitMQ or Redis, results in Redis."""

import json
import os
import sys
import time
from random import uniform

import dramatiq
import redis
from benchmarks.harness import tally
from benchmarks.harness.command import serve
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

MODULE = "benchmarks.peers.dramatiq"
REDIS = os.environ["BENCH_REDIS"]
THREADS = os.environ.get("BENCH_THREADS", "8")
PROCESSES = os.environ.get("BENCH_PROCESSES", "2")

backend = RedisBackend(url=REDIS)
amqp = os.environ.get("BENCH_AMQP")
broker = RabbitmqBroker(url=amqp, confirm_delivery=True) if amqp else RedisBroker(url=REDIS)
broker.add_middleware(Results(backend=backend))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(number: int, text: str) -> dict:
    del text
    tally.count()
    return tally.result(number)


@dramatiq.actor(store_results=True)
def start() -> float:
    return time.time()


def fill(tasks: int) -> None:
    for number in range(tasks):
        noop.send(**tally.payload(number))


def work() -> None:
    os.execv(
        sys.executable,
        [sys.executable, "-m", "dramatiq", MODULE, "--processes", PROCESSES, "--threads", THREADS, "--skip-logging"],
    )


def watch(tasks: int, processes: int) -> None:
    client = redis.Redis.from_url(REDIS)
    tally.watch(tasks, processes, lambda: results(client))


def results(client: redis.Redis) -> int:
    """The keys of results are hashes; all others have the broker's prefix."""
    return sum(1 for key in client.scan_iter(count=10_000) if not key.startswith(b"dramatiq"))


def latency(tasks: int, warm: int) -> None:
    took = []
    for _ in range(warm + tasks):
        time.sleep(uniform(*tally.PAUSES))
        begun = time.time()
        message = start.send()
        started = message.get_result(backend=backend, block=True, timeout=30_000)
        took.append((started - begun, time.time() - begun))
    print(json.dumps(took[warm:]))


if __name__ == "__main__":
    serve(fill=fill, work=work, watch=watch, latency=latency, prepare=lambda: None)
