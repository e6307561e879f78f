"""A wire between Duly and a server, which may be cut, slowed down, or left hanging."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

CHUNK = 65_536


class Mode(StrEnum):
    """What the wire does."""

    OPEN = "open"
    CUT = "cut"
    """Every connection ends, and no new one lives."""
    DELAY = "delay"
    """Each piece comes so much later."""
    THROTTLE = "throttle"
    """So many bytes a second and connection."""
    HALF_OPEN = "half-open"
    """Connections stay, and carry nothing any more, nor will they ever; at the mode's end the server notices.

    Duly must notice by itself: its end stays as it is. A server that noticed nothing would keep their places for hours.
    """


@dataclass
class Wire:
    """One connection, both ways."""

    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    dead: bool = False

    def close(self) -> None:
        """End it at both ends, at once."""
        for writer in self.writers:
            writer.transport.abort()


@dataclass
class Proxy:
    """Listens on a port of its own and passes on, in its present mode."""

    host: str
    port: int
    seconds: float = 0.0
    bytes_per_second: int = CHUNK
    own_port: int = 0
    mode: Mode = Mode.OPEN
    _wires: list[Wire] = field(default_factory=list[Wire])
    _serving: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def turn(self, mode: Mode) -> None:
        """From now on it is in this mode."""
        self.mode = mode
        if mode is Mode.CUT:
            self._close_all()
        for wire in self._wires:
            if wire.dead:
                wire.writers[1].transport.abort()
            wire.dead = wire.dead or mode is Mode.HALF_OPEN

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Proxy"]:
        """Take connections until the end, which waits for each to be over."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.own_port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.turn(Mode.CUT)
            while self._serving:
                await asyncio.wait(self._serving)

    @property
    def carries(self) -> int:
        """How many connections it has."""
        return len(self._wires)

    def _cuts(self) -> bool:
        return self.mode is Mode.CUT

    def _close_all(self) -> None:
        while self._wires:
            self._wires.pop().close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cuts():
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        wire = Wire((writer, far_writer), dead=self.mode is Mode.HALF_OPEN)
        if self._cuts():  # since the connection was begun
            wire.close()
            return
        self._wires.append(wire)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(wire, reader, far_writer))
            group.create_task(self._pass_on(wire, far_reader, writer))
        wire.close()
        with suppress(ValueError):
            self._wires.remove(wire)

    async def _pass_on(self, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one end is closed; what a dead wire is given is lost, and so is the word that an end was closed."""
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._hold_up(len(data))
                if not wire.dead:
                    writer.write(data)
                    await writer.drain()
        if not wire.dead:
            wire.close()

    async def _hold_up(self, size: int) -> None:
        match self.mode:
            case Mode.DELAY:
                await asyncio.sleep(self.seconds)
            case Mode.THROTTLE:
                await asyncio.sleep(size / self.bytes_per_second)
            case _:
                pass
