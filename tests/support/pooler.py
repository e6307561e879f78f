"""Something between a client and a PostgreSQL that keeps settings of the connection to itself, as poolers do."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.engine import make_url

PROTOCOL = 196608
PASSED_ON = (b"user", b"database", b"client_encoding")


@asynccontextmanager
async def a_pooler(url: str) -> AsyncIterator[str]:
    """Its address. Of what a client says at connecting it passes on who and where."""
    at = make_url(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection(at.host, at.port or 5432)
        to_there.write(await _greeting(reader, writer))
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(reader, to_there))
            group.create_task(_pass_on(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield at.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)


async def _greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The start-up message, shortened; who asks for TLS before is told no."""
    while True:
        (size,) = struct.unpack("!i", await reader.readexactly(4))
        body = await reader.readexactly(size - 4)
        (code,) = struct.unpack("!i", body[:4])
        if code == PROTOCOL:
            break
        writer.write(b"N")
    words = body[4:].split(b"\0")
    said = dict(zip(words[0::2], words[1::2], strict=False))
    kept = b"".join(name + b"\0" + said[name] + b"\0" for name in PASSED_ON if name in said) + b"\0"
    return struct.pack("!ii", len(kept) + 8, PROTOCOL) + kept


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
