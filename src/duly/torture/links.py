"""What Duly is connected to in a run: store, broker and cache, each behind a proxy, and whose server it is."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from anyio import to_thread

from duly.domain.errors import Misconfigured
from duly.torture.plan import Plan
from duly.torture.programs import SERVERS, Server
from duly.torture.proxy import Proxy

PORTS: Mapping[str, int] = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "redis": 6379, "amqp": 5672}
CELERY = "celery+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One server and the wire to it. ``parts`` says what it serves as: store, broker, cache."""

    parts: tuple[str, ...]
    url: str
    """Its own address, past the proxy."""
    by_wire: str
    """The address that Duly is given."""
    proxy: Proxy
    server: Server | None
    """None: it was given."""
    mine: bool
    """Whether it may be restarted, emptied, filled up."""

    @property
    def name(self) -> str:
        """What it is called in records."""
        return "+".join(self.parts)

    @property
    def kind(self) -> str:
        """Of which make it is."""
        return _scheme(self.url)


@asynccontextmanager
async def linked(plan: Plan) -> AsyncIterator[list[Link]]:
    """Start what is to be started, and a proxy before each. SQLite and what is in process have no link."""
    async with AsyncExitStack() as stack:
        wanted: dict[str, tuple[str, ...]] = {}
        for part, what in (("store", plan.store), ("broker", plan.broker), ("cache", plan.cache)):
            kind = what.replace("celery", "redis") if what == "celery" else what
            if kind not in {"none", "sqlite", "memory"} and not kind.startswith(("sqlite:", "memory:")):
                wanted[kind] = (*wanted.get(kind, ()), part)
        yield [await _link(stack, what, parts, plan) for what, parts in wanted.items()]


async def _link(stack: AsyncExitStack, what: str, parts: tuple[str, ...], plan: Plan) -> Link:
    server = None if "://" in what else await _started(stack, what)
    url = what.removeprefix(CELERY) if server is None else server.url
    address = urlsplit(url)
    if address.hostname is None or _scheme(url) not in PORTS:
        raise Misconfigured(f"{_scheme(url)}: a torture needs the address of a host without TLS, or one of its own.")
    proxy = Proxy(address.hostname, address.port or PORTS[_scheme(url)])
    await stack.enter_async_context(proxy.open())
    account, sign, _ = address.netloc.rpartition("@")
    by_wire = urlunsplit(address._replace(netloc=f"{account}{sign}127.0.0.1:{proxy.own_port}"))
    mine = server is not None or plan.mine
    return Link(parts=parts, url=url, by_wire=by_wire, proxy=proxy, server=server, mine=mine)


def check_named(*kinds: str) -> None:
    """Raise Misconfigured for what is neither an address nor a part that a run can have of its own."""
    for kind in kinds:
        if ":" not in kind and kind not in {*SERVERS, "sqlite", "celery", "memory", "none"}:
            raise Misconfigured(f"{kind}: give an address, or one of {', '.join(SERVERS)}, sqlite, celery, none.")


async def _started(stack: AsyncExitStack, kind: str) -> Server:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"duly-{kind}-", ignore_cleanup_errors=True)))
    server = await to_thread.run_sync(SERVERS[kind], folder)
    stack.push_async_callback(to_thread.run_sync, server.kill)
    await to_thread.run_sync(server.start)
    return server


def _scheme(url: str) -> str:
    return url.partition(":")[0].removeprefix(CELERY)
