"""A connection: an answer leaves in one packet, offers of another protocol are passed by, endless heads refused."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl

from duly.cli.cycle import Cycle
from duly.cli.lingering import LINGER
from duly.cli.protocol import LARGEST_HEAD, Http

Answer = Callable[[Send], Awaitable[None]]

HEAD: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
BODY: Message = {"type": "http.response.body", "body": b"true"}
POSTED = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\n"
ASKED = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


class Wire(asyncio.Transport):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """One packet."""
        self.sent.append(bytes(data))

    def close(self) -> None:
        """The end."""
        self.sent.append(b"closed")

    def is_closing(self) -> bool:
        """Whether it came."""
        return b"closed" in self.sent


@asynccontextmanager
async def serving(answer: Answer, keep_alive: int = 5) -> AsyncIterator[socket.socket]:
    """A connection to a server that answers like this, and closes it when it was idle for so many seconds."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send)

    async with connected(app, keep_alive) as client:
        yield client


@asynccontextmanager
async def connected(app: ASGIApp, keep_alive: int = 5) -> AsyncIterator[socket.socket]:
    """A connection to a server of this application."""
    config = uvicorn.Config(
        app, http=Http, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=keep_alive
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setblocking(False)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await asyncio.get_running_loop().sock_connect(client, listener.getsockname())
        yield client
        server.should_exit = True
        await running


async def telling_its_body(_scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request with its own body, of four bytes."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await send(HEAD)
    await send({"type": "http.response.body", "body": body})


def answering(wire: Wire) -> tuple[Cycle, Callable[[Message], Awaitable[None]]]:
    """A GET that is to be answered on this wire, and how it is."""
    cycle = Cycle(
        scope={"type": "http", "method": "GET"},  # type: ignore[typeddict-item]  # what matters of it here
        transport=wire,
        flow=FlowControl(wire),
        logger=logging.getLogger(),
        access_logger=logging.getLogger(),
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )
    return cycle, cast("Callable[[Message], Awaitable[None]]", cycle.send)


async def packet(client: socket.socket) -> bytes:
    """What arrives next."""
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65_536), 10)


@pytest.mark.parametrize("more", [{}, {"more_body": True}], ids=["whole", "in parts"])
async def test_head_and_body_are_sent_at_once(more: dict[str, object]) -> None:
    async def answer(send: Send) -> None:
        await send(HEAD)
        await asyncio.sleep(0.05)
        await send({**BODY, **more})
        if more:
            await send({"type": "http.response.body"})

    async with serving(answer) as client:
        client.sendall(ASKED)
        whole = b""
        while not whole.endswith(b"true"):
            whole += await packet(client)

    head, _, body = whole.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert head.endswith(b"\r\ncontent-length: 4")
    assert body == b"true"


async def test_a_whole_answer_is_one_packet() -> None:
    wire = Wire()
    cycle, send = answering(wire)

    await send(HEAD)
    await send(BODY)

    assert wire.sent == [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue"]
    assert cycle.response_complete


async def test_the_head_of_a_stream_does_not_wait_for_it() -> None:
    wire = Wire()

    _, send = answering(wire)
    await send({"type": "http.response.start", "status": 200, "headers": []})

    assert wire.sent == [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]


async def test_an_application_that_fails_before_its_body_gives_way_to_500() -> None:
    async def answer(send: Send) -> None:
        await send(HEAD)
        raise RuntimeError

    async with serving(answer) as client:
        client.sendall(ASKED)
        whole = await packet(client)

    assert whole.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\0"])
async def test_a_field_cannot_bring_another_one_in(value: bytes) -> None:
    wire = Wire()
    _, send = answering(wire)
    await send({**HEAD, "headers": [*HEAD["headers"], (b"x-request-id", value)]})

    with pytest.raises(RuntimeError):
        await send(BODY)
    assert wire.sent == []


async def test_an_answer_that_says_so_closes_its_connection() -> None:
    wire = Wire()
    _, send = answering(wire)

    await send({**HEAD, "headers": [*HEAD["headers"], (b"connection", b"close")]})
    await send(BODY)

    assert b"".join(wire.sent).endswith(b"\r\nconnection: close\r\n\r\ntrueclosed")


async def test_a_body_of_another_length_than_was_said_is_no_answer() -> None:
    wire = Wire()
    _, send = answering(wire)
    await send(HEAD)

    with pytest.raises(RuntimeError):
        await send({"type": "http.response.body", "body": b"falsehood"})


async def test_one_connection_gives_many_answers() -> None:
    async def answer(send: Send) -> None:
        await send(HEAD)
        await send(BODY)

    async with serving(answer) as client:
        answers: list[bytes] = []
        for _ in range(3):
            client.sendall(ASKED)
            answers.append(await packet(client))

    assert [one[-8:] for one in answers] == [b"\r\n\r\ntrue"] * 3


async def test_an_idle_connection_is_closed_and_one_that_is_used_is_not() -> None:
    async def answer(send: Send) -> None:
        await send(HEAD)
        await send(BODY)

    loop = asyncio.get_running_loop()
    async with serving(answer, keep_alive=3) as client:
        for _ in range(4):  # longer in all than it may be idle
            await loop.sock_sendall(client, ASKED)
            assert (await packet(client)).endswith(b"true")
            await asyncio.sleep(0.9)
        await loop.sock_sendall(client, ASKED)
        assert (await packet(client)).endswith(b"true")

        idle = loop.time()
        assert await packet(client) == b""
        assert 2.8 < loop.time() - idle < 9


async def test_a_request_that_takes_longer_than_a_connection_may_be_idle_is_answered() -> None:
    async def answer(send: Send) -> None:
        await asyncio.sleep(1.5)
        await send(HEAD)
        await send(BODY)

    async with serving(answer, keep_alive=1) as client:
        for _ in range(2):
            await asyncio.get_running_loop().sock_sendall(client, ASKED)
            assert (await packet(client)).endswith(b"true")


@pytest.mark.parametrize("offer", [b"h2c", b"websocket"])
@pytest.mark.parametrize("cut", [40, -4, -2, None])
async def test_a_request_that_offers_another_protocol_keeps_its_body(offer: bytes, cut: int | None) -> None:
    """It was served without: a retry with another payload ran the old one. A body in a packet of its own was 400."""
    asked = POSTED + b"connection: upgrade\r\nupgrade: " + offer + b"\r\n\r\ntrue"

    async with connected(telling_its_body) as client:
        client.sendall(asked[:cut])
        await asyncio.sleep(0.1)
        client.sendall(asked[len(asked[:cut]) :])
        answer = await packet(client)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\ntrue")


async def test_what_follows_a_request_that_offers_another_protocol_is_answered() -> None:
    asked = POSTED + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n"

    async with connected(telling_its_body) as client:
        client.sendall(asked + b"true" + asked + b"null" + POSTED + b"\r\nlast")
        answers = b""
        while not answers.endswith(b"last"):
            answers += await packet(client)

    assert re.findall(rb"\r\n\r\n(....)", answers) == [b"true", b"null", b"last"]


async def test_a_request_for_a_tunnel_is_400() -> None:
    async with connected(telling_its_body) as client:
        client.sendall(b"CONNECT there:80 HTTP/1.1\r\nhost: there\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
        answer = await packet(client)

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nhost: here\r\nx: ",
        b"GET / HTTP/1.1\r\nhost: here\r\nx",
        b"POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
    ],
)
async def test_a_head_without_end_is_refused(begun: bytes) -> None:
    """All of it was kept, as long as there was memory, and nobody else was answered for seconds."""
    async with connected(telling_its_body) as client:
        client.sendall(begun)
        await asyncio.sleep(0.1)
        client.sendall(b"x" * (LARGEST_HEAD + 1))
        answers = b""
        while not answers.endswith(b"The head of the request is too large."):
            answers += await packet(client)

    assert b"HTTP/1.1 400 " in answers


async def test_a_body_that_is_larger_than_a_head_may_be_is_read() -> None:
    size = LARGEST_HEAD * 3

    async def telling_its_size(_scope: Scope, receive: Receive, send: Send) -> None:
        found, more = 0, True
        while more:
            message = await receive()
            found, more = found + len(message["body"]), message["more_body"]
        assert found == size
        await send(HEAD)
        await send(BODY)

    async with connected(telling_its_size) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n" % size)
        await asyncio.get_running_loop().sock_sendall(client, b"x" * size)
        answer = await packet(client)

    assert answer.endswith(b"\r\n\r\ntrue")


async def test_a_client_that_still_sends_has_its_answer() -> None:
    """The connection was reset under the rest of a body that nobody wanted: the client saw that, and no answer."""
    loop = asyncio.get_running_loop()

    async def refusing(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(HEAD)
        await send(BODY)

    async with connected(refusing) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 20000000\r\n\r\n")
        for _ in range(20):
            await asyncio.wait_for(loop.sock_sendall(client, b"x" * 1_000_000), 10)
        answer = b""
        while part := await packet(client):
            answer += part

    assert answer.endswith(b"\r\n\r\ntrue")


async def test_a_client_that_sends_no_more_is_not_waited_for() -> None:
    async def refusing(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(HEAD)
        await send(BODY)

    async with connected(refusing) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 999\r\n\r\n")
        gone = False
        async with asyncio.timeout(LINGER.total_seconds() + 5):
            while not gone:
                await asyncio.sleep(0.1)
                gone = refuses(client)


def refuses(client: socket.socket) -> bool:
    """Whether the other side takes no more."""
    try:
        client.sendall(b"x")
    except OSError:
        return True
    return False
