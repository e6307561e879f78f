"""Readers that name the version they have seen, while everything happens that may confuse a cache."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random

import httpx
import pytest
from redis import Redis

from duly.stores.sql.migrate import migrate
from tests.support.databases import postgres_database
from tests.support.processes import eventually
from tests.support.servers import RedisServer, ended, free_port
from tests.support.service import answers
from tests.system.scene import PATIENCE, Scene, a_scene

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

TASKS = 60
AT_A_TIME = 40
NOT_THERE = frozenset({404, 410})

Seen = tuple[int, int]
"""Version and progress, as an ETag has them."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with ended(RedisServer(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture(scope="module")
def scene(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with postgres_database() as url:
        asyncio.run(migrate(url))
        with a_scene(tmp_path_factory.mktemp("readers"), url, DULY_CACHE_URL=redis.url) as scene:
            yield scene


@dataclass
class Readers:
    """What all readers have met. ``back``: each time that a task was older than its reader had named."""

    at_a_time: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, AT_A_TIME))
    """The client slows down by the square of what is under way."""
    back: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    newer: int = 0
    unchanged: int = 0
    gone: int = 0

    async def read(self, https: Sequence[httpx.AsyncClient], tasks: Sequence[str], reads: int, random: Random) -> None:
        """One reader: looks at a few tasks again and again, through one process and the other."""
        mine = random.sample(tasks, 3)
        seen: dict[str, Seen] = {}
        deleted: set[str] = set()
        for number in range(reads):
            task, http = mine[number % len(mine)], random.choice(https)
            names = {"If-None-Match": etag(seen[task])} if task in seen else {}
            async with self.at_a_time:
                answer = await http.get(f"/v1/tasks/{task}", headers=names)
            if answer.status_code in NOT_THERE:
                self.gone += 1
                deleted.add(task)
            elif task in deleted:
                self.back.append(f"{task} was deleted and is there again: {answer.status_code}")
            else:
                self._compare(task, answer, seen)

    def _compare(self, task: str, answer: httpx.Response, seen: dict[str, Seen]) -> None:
        before = seen.get(task, (0, 0))
        match answer.status_code:
            case 304:
                self.unchanged += 1
                if validator(answer) != before:
                    self.back.append(f"{task}: 304 with {validator(answer)} for {before}")
            case 200:
                seen[task] = validator(answer)
                self.newer += seen[task] > before
                if seen[task] <= before:
                    self.back.append(f"{task}: {seen[task]} after {before}")
            case _:
                self.strange.append(f"{answer.status_code} {answer.text}")


@dataclass
class Movers:
    """What happens to the tasks meanwhile; the counts show that it did."""

    retried: int = 0
    deleted: int = 0
    flushed: int = 0

    async def retry(self, https: Sequence[httpx.AsyncClient], tasks: Sequence[str], random: Random) -> None:
        """Final tasks are retried by hand, all the time: they are claimed and settled again."""
        while True:
            answer = await random.choice(https).post(f"/v1/tasks/{random.choice(tasks)}/retry")
            self.retried += answer.status_code == 200

    async def delete(self, https: Sequence[httpx.AsyncClient], tasks: Sequence[str], random: Random) -> None:
        """One task after the other, each as soon as it is final."""
        for task in tasks:
            http = random.choice(https)
            while (await http.delete(f"/v1/tasks/{task}")).status_code != 204:  # noqa: ASYNC110  # nothing rings here
                await asyncio.sleep(0.05)
            self.deleted += 1
            await asyncio.sleep(0.2)

    async def flush(self, url: str) -> None:
        """The cache forgets everything, four times a second."""
        with Redis.from_url(url) as client:
            while True:
                await asyncio.to_thread(client.flushall)
                self.flushed += 1
                await asyncio.sleep(0.25)


@pytest.mark.mistake(35)
@pytest.mark.mistake(36)
def test_many_readers_never_see_a_version_go_back(scene: Scene, redis: RedisServer):
    nobody_goes_back(scene, redis, readers=150, reads=6)


@pytest.mark.full
def test_a_thousand_readers_never_see_a_version_go_back(scene: Scene, redis: RedisServer):
    nobody_goes_back(scene, redis, readers=1000, reads=10)


def nobody_goes_back(scene: Scene, redis: RedisServer, *, readers: int, reads: int) -> None:
    port = free_port()
    with scene.place.duly("api", "app:duly", "--port", str(port)), scene.worker():
        other = f"http://127.0.0.1:{port}"
        eventually(partial(answers, other), PATIENCE)
        tasks = scene.submit("quick", count=TASKS)
        met, moved = asyncio.run(everything((scene.url, other), redis.url, tasks, readers, reads))

    assert met.back == []
    assert met.strange == []
    assert min(met.newer, met.unchanged, met.gone) > 0
    assert min(moved.retried, moved.deleted, moved.flushed) > 0


async def everything(
    urls: Sequence[str], redis: str, tasks: Sequence[str], readers: int, reads: int
) -> tuple[Readers, Movers]:
    met, moved, random = Readers(), Movers(), Random(1)  # noqa: S311  # which task and when, no secret
    async with clients(urls) as https, asyncio.TaskGroup() as group:
        moving = [
            group.create_task(one)
            for one in (
                moved.retry(https, tasks, random),
                moved.retry(https, tasks, random),
                moved.delete(https, tasks[: TASKS // 3], random),
                moved.flush(redis),
            )
        ]
        async with asyncio.TaskGroup() as reading:
            for number in range(readers):
                reading.create_task(met.read(https, tasks, reads, Random(number)))  # noqa: S311  # the same
        for one in moving:
            one.cancel()
    return met, moved


@asynccontextmanager
async def clients(urls: Sequence[str]) -> AsyncIterator[Sequence[httpx.AsyncClient]]:
    """One for each process."""
    first, second = (httpx.AsyncClient(base_url=url, timeout=120) for url in urls)
    async with first, second:
        yield (first, second)


def etag(seen: Seen) -> str:
    return f'W/"{seen[0]}.{seen[1]}"'


def validator(answer: httpx.Response) -> Seen:
    version, progress = answer.headers["etag"].removeprefix('W/"').removesuffix('"').split(".")
    return int(version), int(progress)
