"""Redis and Valkey as a cache of status reads."""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

from redis.asyncio import Redis

from duly.domain import codec
from duly.domain.errors import CacheUnavailable
from duly.domain.task import Task, TaskId
from duly.links.cancels import heeding
from duly.links.redis import OUTSIDE, ask, call, call_all, redis_at, said

LONGEST_WAIT = timedelta(milliseconds=500)
"""The database answers quicker than a cache that needs longer."""

BATCH = 100
"""Keys in one script or MGET: Redis does nothing else meanwhile."""

GONE = b"gone"

PUT = """
for i, key in ipairs(KEYS) do
  local held = redis.call('MGET', key)[1]
  local version, progress = string.match(held or '', '^(%d+)%.(%d+) ')
  local at = 3 * (i - 1) + 2
  local new_version, new_progress = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  version, progress = tonumber(version), tonumber(progress)
  local later = not version or new_version > version or (new_version == version and new_progress > progress)
  if held ~= 'gone' and later then
    redis.call('SET', key, ARGV[at] .. '.' .. ARGV[at + 1] .. ' ' .. ARGV[at + 2], 'PX', ARGV[1])
  end
end
"""
"""One script, so that no other writer comes between the look and the write. MGET, because GET fails on a key that
somebody else made a list or a hash of; SET replaces it."""


@asynccontextmanager
async def open_redis_cache(
    url: str, *, prefix: str = "duly", longest: timedelta = LONGEST_WAIT
) -> AsyncIterator["RedisCache"]:
    """The cache at ``redis://…`` or ``rediss://…``; connects when it is used. Raises Misconfigured."""
    async with redis_at(url, "duly-cache", longest) as client:
        yield RedisCache(client, prefix)


class RedisCache:
    """A Cache. Each key is ``<prefix>:task:<id>``, holds ``<version>.<progress_seq> <task>`` or ``gone``, and ends."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._put = client.register_script(PUT)

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """See Cache. What cannot be read is not held."""
        wanted = list(ids)
        if not wanted:
            return {}
        with _translated():
            held = await call(self._client, "MGET", *(self._key(task_id) for task_id in wanted))
        values = held if isinstance(held, list) else []
        tasks = (_read(value) for value in values if isinstance(value, bytes) and value != GONE)
        asked = frozenset(wanted)
        return {task.id: task for task in tasks if task is not None and task.id in asked}

    async def put(self, tasks: Collection[Task], kept: timedelta) -> None:
        """See Cache."""
        batch = list(tasks)
        with _translated():
            for start in range(0, len(batch), BATCH):
                part = batch[start : start + BATCH]
                words: list[str | int | bytes] = [_milliseconds(kept)]
                for task in part:
                    words += [task.version, task.progress_seq, codec.encode(task)]
                await heeding(self._put(keys=[self._key(task.id) for task in part], args=words))

    async def drop(self, ids: Collection[TaskId], kept: timedelta) -> None:
        """See Cache."""
        with _translated():
            answers = await call_all(
                self._client, [("SET", self._key(task_id), GONE, "PX", _milliseconds(kept)) for task_id in ids]
            )
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer

    async def check(self) -> str:
        """See Cache."""
        with _translated():
            told = await ask(self._client)
        limit = f"{told.max_memory_bytes} bytes, then {told.policy}" if told.max_memory_bytes else "unlimited memory"
        return ". ".join((f"{told.product} {told.version}, {limit}", *told.warnings))

    async def close(self) -> None:
        """See Cache."""
        await self._client.aclose()

    def _key(self, task_id: TaskId) -> str:
        return f"{self._prefix}:task:{task_id.hex}"


def _read(value: bytes) -> Task | None:
    """None: garbage, or written by another version of Duly."""
    try:
        return codec.decode(value.partition(b" ")[2])
    except ValueError:
        return None


def _milliseconds(kept: timedelta) -> int:
    return max(1, kept // timedelta(milliseconds=1))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OUTSIDE as error:
        raise CacheUnavailable(f"Redis did not do it: {said(error)}") from error
