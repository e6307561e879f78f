"""Open readers of one API process: event streams and long polls, each of a task of its own, until all have ended.

Run: python -m benchmarks.readers [--url sqlite:///file.db] [--streams 2000] [--waits 1000] [--quiet 10]

One API process and one worker, each a process of its own, on a queue that is paused until all readers are there.
Printed are the API's memory and processor time: before the readers come, while they wait in silence, and while all
tasks end. It fails unless every reader receives its task's final state. It needs an open file for each reader,
here and in the API.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from duly import Duly
from duly.assembly import migrate
from duly.settings import load_settings
from tests.support.service import free_port

duly = Duly()
ROOT = Path(__file__).parents[1]
LONGEST = 120
BATCH = 500


@duly.task(name="readers.echo", queue="readers")
async def echo(number: int) -> int:
    return number


@dataclass(frozen=True)
class Use:
    """What a process has used so far."""

    megabytes: float
    seconds: float
    at: float

    def tell(self, what: str, before: "Use") -> None:
        share = (self.seconds - before.seconds) / max(self.at - before.at, 1e-9)
        print(f"  {what:<28} {self.megabytes:6.0f} MiB   {share:6.1%} of a core in {self.at - before.at:5.1f} s")


def used(process: psutil.Process) -> Use:
    alive = [process, *process.children(recursive=True)]
    memory = sum(one.memory_info().rss for one in alive)
    times = [one.cpu_times() for one in alive]
    return Use(memory / 2**20, sum(t.user + t.system for t in times), time.monotonic())


async def main(url: str, streams: int, waits: int, quiet: float) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    env = os.environ | {"DULY_DATABASE_URL": url, "DULY_LOG_LEVEL": "error", "DULY_QUEUES": "readers"}
    await migrate(load_settings({"database_url": url}))
    with (
        running("api", "benchmarks.readers:duly", "--app-dir", str(ROOT), "--port", str(port), env=env) as api,
        running("worker", "benchmarks.readers:duly", "--app-dir", str(ROOT), "--slots", "200", env=env),
    ):
        async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as http:
            await until_ready(http)
            await Readers(port, 1).ends(await submit(http, 1))  # the queue is known, and all is warm
            (await http.post("/v1/queues/readers/pause")).raise_for_status()
            ids = await submit(http, streams + waits)
            await measure(http, psutil.Process(api.pid), ids, Readers(port, streams), quiet)


async def measure(http, api, ids, readers, quiet) -> None:
    empty = used(api)
    reading = asyncio.create_task(readers.ends(ids))
    await readers.all_there(api, len(ids))
    there = used(api)
    await asyncio.sleep(quiet)  # what is measured is that nothing happens
    silent = used(api)
    (await http.post("/v1/queues/readers/resume")).raise_for_status()
    states = await reading
    done = used(api)
    print(f"{readers.streams} streams and {len(ids) - readers.streams} waits:")
    print(f"  {'without readers':<28} {empty.megabytes:6.0f} MiB")
    there.tell("while they come", empty)
    silent.tell("while all wait", there)
    done.tell("while all tasks end", silent)
    print(
        f"  per reader {(silent.megabytes - empty.megabytes) * 1024 / len(ids):.0f} KiB; ends received: {dict(states)}"
    )
    assert states == {"completed": len(ids)}, states


class Readers:
    """All readers; the first so many follow a stream, the others wait."""

    def __init__(self, port: int, streams: int) -> None:
        self.streams = streams
        self._port = port
        self._begun = 0

    async def ends(self, ids) -> Counter[str]:
        """Read all, each on a connection of its own: how many ended in which state."""
        async with asyncio.timeout(LONGEST), asyncio.TaskGroup() as group:
            reading = [group.create_task(self._stream(one)) for one in ids[: self.streams]]
            reading += [group.create_task(self._wait(one)) for one in ids[self.streams :]]
        return Counter(one.result() for one in reading)

    async def all_there(self, api: psutil.Process, count: int) -> None:
        """All streams have begun, all connections are open; and what the API still had to do for them is done."""
        async with asyncio.timeout(LONGEST):
            while self._begun < self.streams or connections(api) <= count:  # noqa: ASYNC110  # it is another process
                await asyncio.sleep(0.2)
        await asyncio.sleep(3)

    async def _stream(self, task_id: str) -> str:
        text = await self._sent(f"GET /v1/tasks/{task_id}/events", "accept: text/event-stream")
        return text.rpartition("event: ")[2].partition("\n")[0].strip()

    async def _wait(self, task_id: str) -> str:
        text = await self._sent(f"GET /v1/tasks/{task_id}", "prefer: wait=60")
        return json.loads(text.partition("\r\n\r\n")[2])["state"]

    async def _sent(self, line: str, field: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{field}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        self._begun += b"event-stream" in head
        text = head + await reader.read(-1)
        writer.close()
        return text.decode()


def connections(api: psutil.Process) -> int:
    return sum(len(one.net_connections("tcp")) for one in [api, *api.children(recursive=True)])


async def submit(http: httpx.AsyncClient, count: int) -> list[str]:
    ids: list[str] = []
    for start in range(0, count, BATCH):
        tasks = [
            {"type": "readers.echo", "payload": {"number": number}}
            for number in range(start, min(start + BATCH, count))
        ]
        answer = await http.post("/v1/tasks/batch", json={"tasks": tasks})
        ids += [task["id"] for task in answer.raise_for_status().json()["tasks"]]
    return ids


async def until_ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get("/health/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.1)


@contextlib.contextmanager
def running(*arguments: str, env: dict[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen([sys.executable, "-m", "duly", *arguments], env=env, cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers", description=__doc__)
    parser.add_argument("--url", help="database; default: a SQLite file in a temporary folder")
    parser.add_argument("--streams", type=int, default=2_000)
    parser.add_argument("--waits", type=int, default=1_000)
    parser.add_argument("--quiet", type=float, default=10, help="seconds that all readers wait in silence")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    with tempfile.TemporaryDirectory() as place:
        target = given.url or f"sqlite:///{Path(place) / 'bench.db'}"
        asyncio.run(main(target, given.streams, given.waits, given.quiet))
