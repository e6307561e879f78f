"""The service under torture: API processes, workers or a Celery fleet, replaced when they die."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from duly.domain.errors import DulyError
from duly.torture.programs import free_port
from duly.torture.records import Pen, ProcessSign

READY_WITHIN = 300.0
LOOK = 0.2
STUCK = 60.0
"""Seconds after SIGTERM when a process counts as stuck and is killed."""


class NotReady(DulyError):
    """The service did not start, or stays away."""

    code = "not-ready"


@dataclass
class Member:
    """One process of the service, in all its lives."""

    role: str
    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    more: dict[str, str] = field(default_factory=dict[str, str])
    """Environment of its next life besides ``env``."""
    process: subprocess.Popen[bytes] | None = None
    process_start: float | None = None

    @property
    def pid(self) -> int | None:
        """None: it does not run."""
        return None if self.process is None or self.process.poll() is not None else self.process.pid


@dataclass
class House:
    """Starts, watches, signals. Every sign of a process is written down."""

    members: Sequence[Member]
    urls: Sequence[str]
    pen: Pen
    slowest_end: float = 0.0
    """Seconds that the slowest of all orderly ends took."""
    stuck: int = 0
    """How many did not end within a minute and were killed."""
    _ending: bool = False

    def of(self, *roles: str) -> list[Member]:
        """Those with one of these roles that run now."""
        return [member for member in self.members if member.role in roles and member.pid is not None]

    @property
    def logs(self) -> list[str]:
        """The files of all lives of all members."""
        return [str(member.log) for member in self.members]

    @asynccontextmanager
    async def open(self) -> AsyncIterator["House"]:
        """Running, and watched; ended in order at the end."""
        try:
            for member in self.members:
                self._start(member)
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch())
                await self.ready()
                yield self
                self._ending = True
                watching.cancel()
                for member in self.members:
                    group.create_task(self.end(member))
        finally:
            self._kill_all()

    async def ready(self) -> None:
        """Returns when all APIs answer that they are ready. Raises NotReady."""
        async with httpx.AsyncClient(timeout=5) as http:
            deadline = time.monotonic() + READY_WITHIN
            for url in self.urls:
                while not await _answers(http, url):
                    if time.monotonic() > deadline:
                        raise NotReady(f"{url} is not ready after {READY_WITHIN:.0f} s; see {self.logs[0]}.")
                    await asyncio.sleep(LOOK)

    def signal(self, member: Member, number: signal.Signals) -> None:
        """To the process, its own children first; a killed one is started again by the watch."""
        words = {signal.SIGKILL: "killed", signal.SIGSTOP: "stopped", signal.SIGCONT: "continued"}
        for process in _family(member):
            with suppress(psutil.NoSuchProcess):
                started = process.create_time()
                process.send_signal(number)
                if word := words.get(number):
                    self.pen.write(
                        ProcessSign(
                            what=word,  # type: ignore[arg-type]  # the words above are those of the record
                            t=time.monotonic(),
                            pid=process.pid,
                            role=member.role,
                            process_start=started,
                        )
                    )

    async def end(self, member: Member) -> None:
        """SIGTERM, and wait until it has ended."""
        process = member.process
        if process is None or process.poll() is not None:
            return
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        while process.poll() is None:
            if time.monotonic() - began > STUCK:
                self.stuck += 1
                self.signal(member, signal.SIGKILL)
                process.wait()
            await asyncio.sleep(LOOK / 4)
        self.slowest_end = max(self.slowest_end, time.monotonic() - began)

    async def back(self, member: Member) -> None:
        """Returns when it runs again, or after a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_WITHIN):
                while member.pid is None:  # noqa: ASYNC110  # a process tells nobody that it runs
                    await asyncio.sleep(LOOK / 4)

    async def _watch(self) -> None:
        """What has ended is started again, as a supervisor does."""
        while True:
            for member in self.members:
                if member.pid is None and not self._ending:
                    self._ended(member)
                    self._start(member)
            await asyncio.sleep(LOOK)

    def _start(self, member: Member) -> None:
        with member.log.open("ab") as output:
            member.process = subprocess.Popen(  # noqa: S603  # our own command line
                member.command,
                cwd=member.log.parent,
                env={**member.env, **member.more},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        with suppress(psutil.NoSuchProcess):
            member.process_start = psutil.Process(member.process.pid).create_time()
        self._sign(member, "started")

    def _ended(self, member: Member) -> None:
        if member.process is not None:
            self._sign(member, "ended")
            with suppress(ProcessLookupError):  # children of a pool that outlived it
                os.killpg(member.process.pid, signal.SIGKILL)

    def _sign(self, member: Member, what: str) -> None:
        pid = 0 if member.process is None else member.process.pid
        sign = ProcessSign(
            what="started" if what == "started" else "ended",
            t=time.monotonic(),
            pid=pid,
            role=member.role,
            process_start=member.process_start,
        )
        self.pen.write(sign)

    def _kill_all(self) -> None:
        for member in self.members:
            if member.process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(member.process.pid, signal.SIGKILL)
                member.process.wait()


def a_house(folder: Path, app: tuple[str, Path], env: Mapping[str, str], pen: Pen, *, celery: bool) -> House:
    """Two APIs and two workers on this app; nothing runs yet."""
    own = (sys.executable, "-m", "duly")
    at = (app[0], "--app-dir", str(app[1].absolute()))
    ports = [free_port(), free_port()]
    members = [
        Member("api", f"api-{port}", (*own, "api", *at, "--port", str(port)), env, folder / f"api-{port}.log")
        for port in ports
    ]
    for number in (1, 2):
        name = f"{'celery' if celery else 'worker'}-{number}"
        command = tuple(_celery(number)) if celery else (*own, "worker", *at)
        members.append(Member(name.partition("-")[0], name, command, env, folder / f"{name}.log"))
    return House(members, [f"http://127.0.0.1:{port}" for port in ports], pen)


def _celery(number: int) -> Iterator[str]:
    yield from (sys.executable, "-W", "ignore", "-m", "celery", "-A", "duly.torture.fleet.celery_app", "worker")
    yield from ("--loglevel=info", "--without-mingle", "-P", "prefork", "-c", "4", "-n", f"torture-{number}@%h")


def _family(member: Member) -> list[psutil.Process]:
    """The process and all below it, children first."""
    if member.pid is None:
        return []
    try:
        top = psutil.Process(member.pid)
        return [*top.children(recursive=True), top]
    except psutil.NoSuchProcess:
        return []


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health/ready")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
