"""A child for the supervisor's tests: does what its first argument says, and notes what happens in a file."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from duly.cli.link import link_to_parent
from duly.cli.signals import stop_on_signals


def run(manner: str, notes: Path, descriptor: int) -> int:
    first = not notes.exists()
    if manner == "hopeless":
        note(notes, "started")
        return 2
    asyncio.run(work(manner, notes, descriptor, first))
    return 75 if manner == "recycle-once" and first else 0


async def work(manner: str, notes: Path, descriptor: int, first: bool) -> None:
    stop = asyncio.Event()
    async with link_to_parent(descriptor) as link:
        with stop_on_signals(stop, alone=False):
            note(notes, "started")
            if manner == "crash-early-once" and first:
                os.kill(os.getpid(), signal.SIGKILL)
            link.beat(ready=manner != "unready")
            if manner == "crash-once" and first:
                os.kill(os.getpid(), signal.SIGKILL)
            if manner == "recycle-once" and first:
                return
            async with asyncio.TaskGroup() as group:
                gone = group.create_task(orphaned(link, stop, notes))
                await stop.wait()
                gone.cancel()
            if manner == "stubborn":
                note(notes, "stubborn")
                await asyncio.Event().wait()
    note(notes, "drained")


async def orphaned(link, stop, notes):
    await link.parent_gone()
    note(notes, "orphaned")
    stop.set()


def note(notes: Path, word: str) -> None:
    with notes.open("a") as file:
        file.write(f"{word} {os.getpid()}\n")


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
