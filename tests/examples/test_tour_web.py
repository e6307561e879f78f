"""The tour's fetch: where it goes, where it does not, and what an answer may cost."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address

import httpx
import pytest

from duly.links import guard
from duly.links.guard import Refused, Unresolved, public
from tour import web

HELLO = b"<html><head><title> Hello,\n you </title></head><title>no</title>"


@asynccontextmanager
async def serving(*answers: bytes, hang: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on a free port that gives these raw answers in turn; and the requests that it got."""
    requests: list[bytes] = []
    closed: list[asyncio.Event] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed.append(asyncio.Event())
        this = closed[-1]
        try:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answers[min(len(requests), len(answers)) - 1])
            with suppress(ConnectionError):  # the client has seen enough
                await writer.drain()
                if hang:
                    await reader.read()
                writer.close()
                await writer.wait_closed()
        finally:
            writer.close()
            this.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], requests
        for event in closed:  # Python 3.11 closes a server without its connections
            await event.wait()


def answer(body: bytes = HELLO, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-type: text/html; charset=utf-8", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


def anywhere(**changes: object) -> web.Limits:
    """Limits for a server of the test's own, on this machine."""
    return web.Limits(ports=None, judge=lambda _: True, **changes)


def leading_to(*addresses: str) -> guard.Resolve:
    async def resolve(_host: str, _port: int) -> list[guard.Address]:
        return [ip_address(address) for address in addresses]

    return resolve


async def test_a_page_is_fetched_and_described():
    async with serving(answer()) as (port, requests):
        found = await web.fetch(f"http://127.0.0.1:{port}/page", anywhere())

    assert (found.status, found.size_bytes, found.title, found.redirects) == (200, len(HELLO), "Hello, you", 0)
    assert found.sha256 == hashlib.sha256(HELLO).hexdigest()
    assert requests[0].startswith(b"GET /page HTTP/1.1\r\n")


async def test_the_connection_goes_to_the_judged_address_and_the_host_header_keeps_the_name():
    async with serving(answer()) as (port, requests):
        found = await web.fetch(f"http://books.example:{port}/", anywhere(resolve=leading_to("127.0.0.1")))

    assert f"host: books.example:{port}".encode() in requests[0].lower()
    assert found.url == f"http://books.example:{port}/"


async def test_the_next_address_is_tried_when_the_first_does_not_answer():
    async with serving(answer()) as (port, _):
        limits = anywhere(resolve=leading_to("127.0.0.2", "127.0.0.1"))
        found = await web.fetch(f"http://books.example:{port}/", limits)

    assert found.status == 200


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104  an address to refuse
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "fe80::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2001::1",
        "2001:db8::1",
        "2a02::5efe:7f00:1",
        "2a02::200:5efe:a00:1",
        "3fff::1",
        "fd00::5efe:808:808",
    ],
)
def test_no_address_but_a_public_one_is_public(address):
    assert not public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1", "2a02::5efe:808:808"],
)
def test_public_addresses_are_public(address):
    assert public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
    ],
)
async def test_a_url_into_a_private_network_is_refused_however_it_is_written(url):
    with pytest.raises(Refused, match="not a public address"):
        await web.fetch(url, web.Limits())


async def test_a_name_with_one_private_address_among_public_ones_is_refused():
    with pytest.raises(Refused, match=r"10\.0\.0\.8"):
        await web.fetch("http://books.example/", web.Limits(resolve=leading_to("1.1.1.1", "10.0.0.8")))


async def test_a_port_of_another_service_is_refused():
    with pytest.raises(Refused, match="Port 6379"):
        await web.fetch("http://books.example:6379/", web.Limits(resolve=leading_to("1.1.1.1")))


async def test_a_redirect_into_a_private_network_is_refused():
    moved = answer(b"", "302 Found", "location: http://10.0.0.1/secret")
    limits = web.Limits(ports=None, judge=lambda address: address == ip_address("127.0.0.1"))

    async with serving(moved) as (port, requests):
        with pytest.raises(Refused, match=r"10\.0\.0\.1"):
            await web.fetch(f"http://127.0.0.1:{port}/", limits)

    assert len(requests) == 1


async def test_a_redirect_to_a_public_place_is_followed_and_counted():
    async with serving(answer(b"", "301 Moved", "location: /new"), answer()) as (port, _):
        found = await web.fetch(f"http://127.0.0.1:{port}/old", anywhere())

    assert (found.url, found.redirects) == (f"http://127.0.0.1:{port}/new", 1)


async def test_redirects_without_end_are_given_up():
    async with serving(answer(b"", "302 Found", "location: /again")) as (port, requests):
        with pytest.raises(web.Unusable, match="redirects"):
            await web.fetch(f"http://127.0.0.1:{port}/", anywhere(redirects=3))

    assert len(requests) == 4


async def test_a_redirect_to_a_file_is_refused():
    async with serving(answer(b"", "302 Found", "location: file:///etc/passwd")) as (port, _):
        with pytest.raises((web.Unusable, Refused)):
            await web.fetch(f"http://127.0.0.1:{port}/", anywhere())


async def test_a_page_over_the_limit_is_given_up_as_soon_as_the_limit_is_passed():
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(200_000)

    async with serving(endless, hang=True) as (port, _):
        with pytest.raises(web.Unusable, match="larger than 100,000 bytes"):
            await web.fetch(f"http://127.0.0.1:{port}/", anywhere(most_bytes=100_000))


async def test_a_packed_page_that_nobody_asked_for_is_not_unpacked():
    async with serving(answer(b"...", "200 OK", "content-encoding: gzip")) as (port, requests):
        with pytest.raises(web.Unusable, match="packed"):
            await web.fetch(f"http://127.0.0.1:{port}/", anywhere())

    assert b"accept-encoding: identity" in requests[0].lower()


async def test_a_server_that_says_nothing_is_left_after_the_time_limit():
    async with serving(b"", hang=True) as (port, _):
        with pytest.raises((TimeoutError, httpx.TimeoutException)):
            await web.fetch(f"http://127.0.0.1:{port}/", anywhere(longest=timedelta(milliseconds=200)))


@pytest.mark.parametrize("status", ["429 Too Many", "500 Oh", "503 Away"])
async def test_a_server_that_is_unwell_is_to_be_asked_again(status):
    async with serving(answer(b"", status)) as (port, _):
        with pytest.raises(web.Unwell) as caught:
            await web.fetch(f"http://127.0.0.1:{port}/", anywhere())

    assert caught.value.pause is None


async def test_the_pause_that_a_server_asks_for_is_known():
    async with serving(answer(b"", "503 Away", "retry-after: 7")) as (port, _):
        with pytest.raises(web.Unwell) as caught:
            await web.fetch(f"http://127.0.0.1:{port}/", anywhere())

    assert caught.value.pause == timedelta(seconds=7)


async def test_a_pause_given_as_a_date_is_known_and_none_is_longer_than_an_hour():
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)

    async with serving(answer(b"", "503 Away", f"retry-after: {tomorrow}")) as (port, _):
        with pytest.raises(web.Unwell) as caught:
            await web.fetch(f"http://127.0.0.1:{port}/", anywhere())

    assert caught.value.pause == timedelta(hours=1)


async def test_a_page_that_is_not_there_is_of_no_use():
    async with serving(answer(b"", "404 Not Found")) as (port, _):
        with pytest.raises(web.Unusable, match="404"):
            await web.fetch(f"http://127.0.0.1:{port}/", anywhere())


async def test_a_name_that_cannot_be_resolved_is_to_be_asked_again():
    with pytest.raises(Unresolved):
        await web.fetch("http://no-such-name.invalid/", web.Limits())


async def test_tls_checks_the_name_of_the_url_not_the_address():
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context)

    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(httpx.TransportError):
            await web.fetch(f"https://books.example:{port}/", anywhere(resolve=leading_to("127.0.0.1")))

    assert asked == ["books.example"]


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async def run() -> web.Fetched:
        async with serving(answer()) as (port, _):
            return await web.fetch(f"http://127.0.0.1:{port}/", anywhere())

    assert asyncio.run(run()).status == 200
