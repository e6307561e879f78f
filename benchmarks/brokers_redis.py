"""Which of Redis's structures carries hints best: what ADR 0010 quotes.

Run: python benchmarks/brokers_redis.py [redis://127.0.0.1:6379/0]

One process announces batches of 100 ids spread over ten priorities, then takes them again a hundred at a time, highest
priority first. Each structure is measured three times, in turns; the median counts.
"""

import asyncio
import json
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

from redis.asyncio import Redis

IDS = 30_000
BATCH = 100
PREFIX = "duly-bench:"

POP_LISTS = """
local out, left = {}, tonumber(ARGV[1])
for _, key in ipairs(KEYS) do
  local got = redis.call('LPOP', key, left)
  if got then
    out[#out + 1] = key
    out[#out + 1] = got
    left = left - #got
    if left <= 0 then break end
  end
end
return out
"""

Step = Callable[[Redis, int, list[UUID]], Awaitable[None]]
Take = Callable[[Redis], Awaitable[int]]


def key(priority: int) -> str:
    return f"{PREFIX}{priority}"


KEYS = [key(priority) for priority in range(9, -1, -1)]


async def push_ids(redis: Redis, priority: int, ids: list[UUID]) -> None:
    """A list per priority, one id an entry, in raw bytes."""
    pipe = redis.pipeline(transaction=False)
    pipe.execute_command("RPUSH", key(priority), *(one.bytes for one in ids))
    pipe.execute_command("LTRIM", key(priority), 0, 99_999)
    pipe.execute_command("EXPIRE", key(priority), 86_400)
    await pipe.execute()


async def take_ids(redis: Redis) -> int:
    found = await redis.eval(POP_LISTS, len(KEYS), *KEYS, BATCH)
    ids = [UUID(bytes=one) for got in found[1::2] for one in got]
    return len(ids)


async def take_ids_without_a_script(redis: Redis) -> int:
    """LMPOP: one key a call, Redis 7 only."""
    left, ids = BATCH, []
    while left:
        found = await redis.execute_command("LMPOP", len(KEYS), *KEYS, "LEFT", "COUNT", left)
        if not found:
            break
        ids += [UUID(bytes=one) for one in found[1]]
        left = BATCH - len(ids)
    return len(ids)


async def push_messages(redis: Redis, priority: int, ids: list[UUID]) -> None:
    """A list per priority, one message of many ids an entry, as JSON."""
    body = json.dumps({"priority": priority, "ids": [one.hex for one in ids]})
    pipe = redis.pipeline(transaction=False)
    pipe.execute_command("RPUSH", key(priority), body)
    pipe.execute_command("LTRIM", key(priority), 0, 9_999)
    pipe.execute_command("EXPIRE", key(priority), 86_400)
    await pipe.execute()


async def take_messages(redis: Redis) -> int:
    found = await redis.eval(POP_LISTS, len(KEYS), *KEYS, 1)
    ids = [UUID(one) for got in found[1::2] for body in got for one in json.loads(body)["ids"]]
    return len(ids)


async def push_scores(redis: Redis, priority: int, ids: list[UUID]) -> None:
    """One sorted set; announced twice, an id is there once."""
    now = int(time.time() * 1000)
    pairs: list[object] = []
    for one in ids:
        pairs += [(9 - priority) * 2**42 + now, one.bytes]
    pipe = redis.pipeline(transaction=False)
    pipe.execute_command("ZADD", f"{PREFIX}scores", "NX", *pairs)
    pipe.execute_command("ZREMRANGEBYRANK", f"{PREFIX}scores", 100_000, -1)
    pipe.execute_command("EXPIRE", f"{PREFIX}scores", 86_400)
    await pipe.execute()


async def take_scores(redis: Redis) -> int:
    found = await redis.execute_command("ZPOPMIN", f"{PREFIX}scores", BATCH)
    ids = [UUID(bytes=one[0] if isinstance(one, tuple | list) else one) for one in found]
    return len(ids)


async def push_streams(redis: Redis, priority: int, ids: list[UUID]) -> None:
    """A stream per priority, one message of many ids an entry."""
    body = json.dumps({"ids": [one.hex for one in ids]})
    await redis.execute_command("XADD", key(priority), "MAXLEN", "~", 10_000, "*", "hint", body)


async def take_streams(redis: Redis) -> int:
    found = await redis.execute_command(
        "XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", *KEYS, *([">"] * len(KEYS))
    )
    pipe, taken = redis.pipeline(transaction=False), 0
    rows = found.items() if isinstance(found, dict) else (found or [])
    by_key = defaultdict(list)
    for name, entries in rows:
        flat = entries[0] if entries and isinstance(entries[0], list) else entries
        for entry_id, fields in flat:
            taken += len([UUID(one) for one in json.loads(fields[b"hint"])["ids"]])
            by_key[name].append(entry_id)
    for name, entry_ids in by_key.items():
        pipe.execute_command("XACK", name, "g", *entry_ids)
        pipe.execute_command("XDEL", name, *entry_ids)
    await pipe.execute()
    return taken


SHAPES: dict[str, tuple[Step, Take]] = {
    "list per priority, id an entry, script": (push_ids, take_ids),
    "list per priority, id an entry, LMPOP": (push_ids, take_ids_without_a_script),
    "list per priority, message an entry": (push_messages, take_messages),
    "sorted set": (push_scores, take_scores),
    "stream per priority, group": (push_streams, take_streams),
}


async def measure(redis: Redis, push: Step, take: Take) -> tuple[float, float, float, float, int]:
    await redis.delete(*KEYS, f"{PREFIX}scores")
    if take is take_streams:
        for name in KEYS:
            await redis.xgroup_create(name, "g", mkstream=True)
    batches = [(number % 10, [uuid4() for _ in range(BATCH)]) for number in range(IDS // BATCH)]
    before = int((await redis.info("memory"))["used_memory"])
    start, cpu = time.perf_counter(), _cpu()
    for priority, ids in batches:
        await push(redis, priority, ids)
    pushed, push_cpu = time.perf_counter() - start, _cpu() - cpu
    held = int((await redis.info("memory"))["used_memory"]) - before
    taken, start, cpu = 0, time.perf_counter(), _cpu()
    while taken < IDS:
        got = await take(redis)
        if not got:
            raise SystemExit(f"{taken} of {IDS} found")
        taken += got
    took, take_cpu = time.perf_counter() - start, _cpu() - cpu
    await redis.delete(*KEYS, f"{PREFIX}scores")
    return IDS / pushed, push_cpu / IDS * 1e6, IDS / took, take_cpu / IDS * 1e6, held // IDS


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(url: str) -> None:
    results: dict[str, list[tuple[float, float, float, float, int]]] = defaultdict(list)
    async with Redis.from_url(url, protocol=2) as redis:
        for _ in range(3):
            for name, (push, take) in SHAPES.items():
                results[name].append(await measure(redis, push, take))
    print(f"{'':42}{'announce':>12}{'us/id':>8}{'take':>12}{'us/id':>8}{'bytes/id':>10}")
    for name, runs in results.items():
        push, push_cpu, take, take_cpu, held = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:42}{push:>10,.0f}/s{push_cpu:>8.1f}{take:>10,.0f}/s{take_cpu:>8.1f}{held:>10}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "redis://127.0.0.1:6379/0"))
