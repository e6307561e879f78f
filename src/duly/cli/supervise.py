"""Keeps child processes alive, replaces those that end, and ends them all in good order."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from duly.cli import child as children
from duly.cli.child import Child, Part
from duly.cli.exits import FAILED, INTERRUPTED, OK, RECYCLE, USAGE
from duly.ports.telemetry import Emit

MARGIN = timedelta(seconds=5)
"""A child ends within the grace; one whose event loop stands still cannot, and is killed so much later."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=500), timedelta(seconds=30)
LASTED = timedelta(seconds=10)
"""A child that lived so long had started well: the pauses begin anew. They are there for those that die at once; where
a task or the kernel kills a worker now and then, every second of pause is work not done."""

BEAT_LIMIT = timedelta(seconds=10)
"""A child that is silent for longer does not live."""


class Supervisor:
    """Keeps these parts running until it is stopped.

    A part that ends by itself before its first sign of life, when everything starts, ends it all with its exit code.
    What is killed, or ends later, is started again after a pause, and after another where there is no room for it; with
    ``until_changed`` (development), what is wrong waits for ``restart``.
    """

    def __init__(self, parts: Sequence[Part], grace: timedelta, emit: Emit, *, until_changed: bool = False) -> None:
        self._parts = tuple(parts)
        self._grace = grace
        self._emit = emit
        self._until_changed = until_changed
        self._living: dict[str, Child] = {}
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._changed = asyncio.Event()
        self._exit_code = OK
        self.started = asyncio.Event()
        """Set once every part has given a sign of life."""

    async def run(self) -> int:
        """Run until stopped, or until a part cannot be started at all. The exit code of the whole."""
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(self._end_all())
            async with asyncio.TaskGroup() as keepers:
                shown = [asyncio.Event() for _ in self._parts]
                for number, part in enumerate(self._parts):
                    keepers.create_task(self._keep(part, shown[number]))
                    if number == 0 and not self._until_changed:
                        await shown[number].wait()  # what is wrong is then told once, not by every part
                for event in shown:
                    await event.wait()
                if not self._stopping.is_set():
                    self.started.set()
            ending.cancel()
        return self._exit_code

    def stop(self) -> None:
        """Let all children drain; called again, kill them."""
        if self._stopping.is_set():
            self._exit_code = INTERRUPTED
            self._hurry.set()
        self._stopping.set()
        self._changed.set()

    async def restart(self) -> None:
        """Replace every child, and start those that wait for a change."""
        await self._end(list(self._living.values()))
        self._changed.set()
        if not self._stopping.is_set():
            self._changed = asyncio.Event()

    def live(self) -> bool:
        """Whether every part has a child that gives signs of life."""
        return self._all_beat() and not self._hurry.is_set()

    async def ready(self) -> bool:
        """Whether every part has a child that says that it can work."""
        return self._all_beat() and all(child.beats.ready for child in self._living.values())

    def _all_beat(self) -> bool:
        beating = [name for name, child in self._living.items() if child.beating(BEAT_LIMIT)]
        return len(beating) == len(self._parts)

    async def _keep(self, part: Part, shown: asyncio.Event) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                child = await self._start(part)
            except OSError as error:
                if not shown.is_set():  # at the first start it is told at once
                    raise
                self._emit("child.unstarted", {"child": part.name, "error": str(error), "again_in": pause})
                await self._rest(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            code = await self._watch(child, shown)
            if self._stopping.is_set() or child.dismissed:
                continue
            if code == RECYCLE:
                self._emit("child.recycled", {"child": part.name, "pid": child.pid})
                continue
            if _lived(child) >= LASTED:
                pause = FIRST_PAUSE
            await self._after_death(child, code, pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        shown.set()

    async def _start(self, part: Part) -> Child:
        child = await children.start(part)
        self._living[part.name] = child
        self._emit("child.started", {"child": part.name, "pid": child.pid})
        if self._stopping.is_set():
            child.dismiss()
        return child

    async def _watch(self, child: Child, shown: asyncio.Event) -> int:
        """Wait for the child's end. ``shown`` is set at its first sign of life, or when it ends."""
        async with asyncio.TaskGroup() as group:
            first = group.create_task(_pass_on(child.beats.first, shown))
            code = await child.wait()
            first.cancel()
        self._living.pop(child.part.name)
        if not child.beats.first.is_set() and not shown.is_set():
            self._give_up(child, code)
        shown.set()
        return code

    def _give_up(self, child: Child, code: int) -> None:
        """A child that was killed has not found anything wrong: the task that it ran may have killed it."""
        if not (self._stopping.is_set() or child.dismissed or code == RECYCLE or code < 0):
            self._exit_code = code or FAILED
            self._stopping.set()

    async def _after_death(self, child: Child, code: int, pause: timedelta) -> None:
        facts = {
            "child": child.part.name,
            "pid": child.pid,
            "exit_code": code,
            "lived": _lived(child),
        }
        if self._until_changed and code == USAGE:
            self._emit("child.awaiting_change", facts)
            await self._changed.wait()
            return
        self._emit("child.died", facts | {"again_in": pause})
        await self._rest(pause)

    async def _rest(self, pause: timedelta) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause.total_seconds()):
                await self._changed.wait()

    async def _end_all(self) -> None:
        await self._stopping.wait()
        await self._end(list(self._living.values()))

    async def _end(self, ending: Sequence[Child]) -> None:
        """Let these drain within the grace; kill those that do not, or all at once when it is asked for again."""
        for child in ending:
            child.dismiss()
        with suppress(TimeoutError):
            async with asyncio.timeout((self._grace + MARGIN).total_seconds()):
                async with asyncio.TaskGroup() as group:
                    hurried = group.create_task(self._kill_in_a_hurry(ending))
                    for child in ending:
                        await child.ended.wait()
                    hurried.cancel()
        for child in ending:
            if not child.ended.is_set():
                self._emit("child.killed", {"child": child.part.name, "pid": child.pid})
                child.kill()
                await child.ended.wait()

    async def _kill_in_a_hurry(self, ending: Sequence[Child]) -> None:
        await self._hurry.wait()
        for child in ending:
            child.kill()


async def _pass_on(event: asyncio.Event, to: asyncio.Event) -> None:
    await event.wait()
    to.set()


def _lived(child: Child) -> timedelta:
    return timedelta(seconds=asyncio.get_running_loop().time() - child.started_at)
