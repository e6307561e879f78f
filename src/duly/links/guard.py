"""Which addresses on the network a stranger's URL may lead to, judged when the connection is made.

To judge the name alone is not enough: a name may resolve to 127.0.0.1, or to a public address while it is checked and
to a private one when it is used (DNS rebinding). So the transport resolves, judges every address, and connects to an
address that it judged. Redirects go through the transport too and are judged alike.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Thread

import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[Address]]]
Judge = Callable[[Address], bool]

_UNICAST = IPv6Network("2000::/3")
"""All IPv6 addresses that IANA has given out for use on the public network; NAT64 (64:ff9b::/96) lies outside."""

_SPECIAL = tuple(ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20"))
"""Not public by IANA's registries, though this or that Python has it that they are."""

_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""Above the last 32 bits of an address, they say that these are an IPv4 address (RFC 5214)."""

PORTS = frozenset({80, 443})


class Refused(Exception):
    """The URL leads where this service does not go."""


class Unresolved(Exception):
    """The name has no address now."""


def public(address: Address) -> bool:
    """Whether the address belongs to the public network: no private, loopback, link-local, multicast or reserved one.

    IPv4 inside IPv6 (mapped, 6to4, Teredo, ISATAP) is judged by what is inside.
    """
    if any(address in network for network in _SPECIAL):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    inside = _inside(address)
    if inside:
        return all(public(each) for each in inside)
    return address in _UNICAST and address.is_global and not _tunnels_inside(address)


def permitted(address: Address, networks: Collection[Network]) -> bool:
    """Whether the address is public, or in one of these networks; IPv4 that is mapped into IPv6 is what it maps."""
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    return public(address) or any(plain in network for network in networks)


def network_of(text: str) -> Network:
    """A network as in ``10.0.0.0/8`` or ``fd00::/8``, or one address. Raises ValueError."""
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no network: give such as 10.0.0.0/8, fd00::/8 or 127.0.0.1") from None


async def resolve(host: str, port: int) -> list[Address]:
    """Every address of the name, in the order in which the system would try them.

    Each look-up has a thread of its own, which nobody joins. The event loop's few threads are everybody's: strangers
    whose name servers never answer would hold them, and with them each reconnect by name, and the process's end.
    """
    found: Future[list[Address]] = Future()
    found.set_running_or_notify_cancel()  # from here on nobody can cancel it under the thread
    try:
        Thread(target=_look_up, args=(found, host, port), name="duly-lookup", daemon=True).start()
        return await asyncio.wrap_future(found)
    except (OSError, UnicodeError, RuntimeError) as error:  # the last: there is no room for a thread
        raise Unresolved(f"The name {host!r} cannot be resolved: {error}") from error


def _look_up(found: "Future[list[Address]]", host: str, port: int) -> None:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.set_result(list(dict.fromkeys(ip_address(str(entry[4][0]).split("%")[0]) for entry in entries)))
    except Exception as error:  # noqa: BLE001  # whatever it raises is its caller's to see
        found.set_exception(error)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to addresses that were judged, and to nothing else; one connection per request, none kept."""

    def __init__(self, resolve: Resolve, judge: Judge, ports: frozenset[int] | None) -> None:
        self._resolve = resolve
        self._judge = judge
        self._ports = ports
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the first judged address that answers."""
        unreachable: httpx.ConnectError | None = None
        for address in await self._judged(request.url):
            try:
                return await self._inner.handle_async_request(_to(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                unreachable = httpx.ConnectError(str(error), request=request)
        raise unreachable or Unresolved(f"The name {request.url.host!r} has no address.")

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()

    async def _judged(self, url: httpx.URL) -> list[Address]:
        port = url.port or (443 if url.scheme == "https" else 80)
        if url.scheme not in ("http", "https"):
            raise Refused(f"Only http and https are fetched, not {url.scheme}.")
        if self._ports is not None and port not in self._ports:
            raise Refused(f"Port {port} is not one of {sorted(self._ports)}.")
        addresses = await self._resolve(url.host, port)
        for address in addresses:
            if not self._judge(address):
                raise Refused(f"{url.host} leads to {address}, which is not a public address.")
        return addresses


def _to(address: Address, request: httpx.Request) -> httpx.Request:
    """The same request to a fixed address: the Host header and the name that TLS checks stay those of the URL."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


def _inside(address: IPv6Address) -> list[IPv4Address]:
    carried = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    return [each for each in carried if each is not None]


def _tunnels_inside(address: IPv6Address) -> bool:
    """Whether an ISATAP address, public as it may look, ends at an IPv4 address that is not."""
    above, last = divmod(int(address), 1 << 32)
    return above & 0xFFFF_FFFF in _ISATAP and not public(IPv4Address(last))
