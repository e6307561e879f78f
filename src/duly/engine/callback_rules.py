"""Where callbacks may go: what is wrong with an address is said at the submit, as far as its text shows it."""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

import httpx

from duly.links.guard import Address, Network, permitted

MAX_URL = 2_000
LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """Whether there are callbacks at all, and the networks that they may reach although they are not public."""

    enabled: bool = False
    hosts: frozenset[str] | None = None
    """Those that have a secret, where there is none for all others; None: any."""
    networks: tuple[Network, ...] = ()

    def flaw(self, url: str) -> str | None:
        """What is wrong with the address; None: nothing that could be known before the connection is made."""
        if not self.enabled:
            return "callbacks are not set up here: they need a secret to be signed with (DULY_CALLBACK_SECRETS)"
        if len(url) > MAX_URL or not url.isprintable() or " " in url:
            return f"an address is at most {MAX_URL} printable characters without spaces"
        try:
            return self._flaw(httpx.URL(url))
        except (httpx.InvalidURL, ValueError, UnicodeError):
            return "this is no address that can be called"

    def permits(self, address: Address) -> bool:
        """Whether a connection may go there."""
        return permitted(address, self.networks)

    def _flaw(self, url: httpx.URL) -> str | None:
        if url.scheme not in {"http", "https"} or not url.host:
            return "an address begins with https:// or http:// and a host"
        if url.port is not None and not 1 <= url.port <= LAST_PORT:
            return f"a port is 1 to {LAST_PORT}"
        if url.userinfo or url.fragment:
            return "an address has no user, no password and no fragment"
        if self.hosts is not None and host_of(url) not in self.hosts:
            return "there is no secret here to sign callbacks to this host with (DULY_CALLBACK_SECRETS)"
        literal = _literal(url.host.rstrip(".").lower())
        if literal is not None and not self.permits(literal):
            return "the address is not a public one"
        return None


def host_of(url: httpx.URL) -> str:
    """The host by which a receiver's secret is found: in ASCII, without a port."""
    return url.raw_host.decode("ascii").rstrip(".").lower()


def _literal(host: str) -> Address | None:
    """The address that the host is by itself, in each form that a resolver takes (127.1, 0x7f000001)."""
    if host == "localhost" or host.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
