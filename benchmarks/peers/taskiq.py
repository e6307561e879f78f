"""Taskiq: tasks in a stream of Redis, acknowledged after they ran, results in Redis."""

import os
import sys

import redis
import uvloop
from benchmarks.harness import tally
from benchmarks.harness.command import serve
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

REDIS = os.environ["BENCH_REDIS"]
MODULE = "benchmarks.peers.taskiq"
PREFIX = "result"

backend = RedisAsyncResultBackend(REDIS, prefix_str=PREFIX, result_ex_time=86_400)
broker = RedisStreamBroker(REDIS).with_result_backend(backend)


@broker.task(task_name="noop")
async def noop(number: int, text: str) -> dict:
    del text
    tally.count()
    return tally.result(number)


async def _fill(tasks: int) -> None:
    await broker.startup()
    for number in range(tasks):
        await noop.kiq(**tally.payload(number))
    await broker.shutdown()


def fill(tasks: int) -> None:
    uvloop.run(_fill(tasks))


def work() -> None:
    options = ["--workers", "2", "--max-async-tasks", "100", "--log-level", "ERROR", "--no-configure-logging"]
    os.execv(sys.executable, [sys.executable, "-m", "taskiq", "worker", f"{MODULE}:broker", *options])


def watch(tasks: int, processes: int) -> None:
    client = redis.Redis.from_url(REDIS)
    tally.watch(tasks, processes, lambda: sum(1 for _ in client.scan_iter(f"{PREFIX}:*", count=10_000)))


if __name__ == "__main__":
    serve(fill=fill, work=work, watch=watch)
