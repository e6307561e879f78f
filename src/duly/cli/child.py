"""One child process and the line to it."""

import asyncio
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from duly.cli.link import Beats

PLACE = "{link}"
"""Stands in a command for the number of the descriptor of the line to the parent."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process to keep: its name in the log, its command, and descriptors that it inherits."""

    name: str
    command: tuple[str, ...]
    descriptors: tuple[int, ...] = ()


def duly_part(name: str, *arguments: str, descriptors: tuple[int, ...] = ()) -> Part:
    """A part that runs this very Duly with these arguments."""
    return Part(name, (sys.executable, "-m", "duly", *arguments, "--parent-fd", PLACE), descriptors)


class Child:
    """A running part. Its process group is its own, so that Ctrl-C reaches the parent only."""

    def __init__(self, part: Part, process: asyncio.subprocess.Process, beats: Beats, line: asyncio.Transport) -> None:
        self.part = part
        self.beats = beats
        self.ended = asyncio.Event()
        self.dismissed = False
        """Whether it was asked to end, so that its end is no accident."""
        self.started_at = asyncio.get_running_loop().time()
        self._process = process
        self._line = line

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for its end. The exit code; negative: the signal that killed it."""
        try:
            return await self._process.wait()
        finally:
            self._line.close()
            self.ended.set()

    def dismiss(self) -> None:
        """Ask it to finish what it does and end."""
        self.dismissed = True
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.dismissed = True
        self._send(signal.SIGKILL)

    def beating(self, within: timedelta) -> bool:
        """Whether it gave a sign of life in this time."""
        last = self.beats.last
        return last is not None and asyncio.get_running_loop().time() - last <= within.total_seconds()

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)


async def start(part: Part) -> Child:
    """Start the part's process, with its end of a new line."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [str(theirs.fileno()) if word == PLACE else word for word in part.command]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *part.descriptors),
                process_group=0,
            )
        except BaseException:
            ours.close()
            raise
    line, beats = await asyncio.get_running_loop().create_unix_connection(Beats, sock=ours)
    return Child(part, process, beats, line)
