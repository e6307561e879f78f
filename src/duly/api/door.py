"""What every request passes first: its id, the check of where it comes from, and the last word on faults."""

import asyncio
import re
import time
from collections.abc import Collection
from functools import lru_cache

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from duly.api.count import Count
from duly.api.fields import Fields, fields_of
from duly.api.headers import request_id
from duly.api.problems import TABLE, internal_problem, problem
from duly.domain.errors import StoreUnavailable
from duly.domain.identity import Forbidden
from duly.telemetry import context

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@]*)(?::[0-9]*)?")

REQUEST_ID = "duly.request_id"
"""Where a request's id stands in its ASGI scope."""


LATE = "The process ends, and this request has had its time."
"""The word with which the asyncio task of a request is cancelled that is to be answered with 503 now."""


class Door:
    """Pure ASGI. ``allowed_hosts`` None lets every Host in: somebody has allowed anonymous access from elsewhere."""

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str] | None, count: Count | None = None) -> None:
        self._app = app
        self._allowed_hosts = allowed_hosts
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, whatever happens in it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fields = fields_of(scope)
        name = scope[REQUEST_ID] = request_id(fields.first(b"x-request-id"))
        answer = _Answer(send, name)
        bound = context.REQUEST_ID.set(name)
        try:
            if self._allowed_hosts is not None:
                check_hosts(fields, self._allowed_hosts)
            await self._app(scope, receive, answer.send)
        except Forbidden as error:
            await problem(error, TABLE[Forbidden], scope)(scope, receive, answer.send)
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (LATE,):
                raise
            if not answer.started:
                await problem(_late(), TABLE[StoreUnavailable], scope)(scope, receive, answer.send)
        except Exception as error:  # the top of a request: whatever went wrong, the client gets an answer
            _log_fault(scope, error)
            if answer.started:
                raise
            await internal_problem(scope)(scope, receive, answer.send)
        finally:
            context.REQUEST_ID.reset(bound)
            if answer.status and self._count is not None:
                self._count(scope, answer.status, answer.took)


class _Answer:
    """Puts the request's id on the answer and remembers whether it has begun."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._header = (b"x-request-id", request_id.encode("ascii"))
        self._began = time.perf_counter()
        self.status = 0
        self.took = 0.0

    @property
    def started(self) -> bool:
        return self.status > 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.took = time.perf_counter() - self._began
            message = {**message, "headers": [*message.get("headers", ()), self._header]}
        await self._send(message)


def _late() -> StoreUnavailable:
    return StoreUnavailable("This process is being stopped, and the database has not answered in time.")


def check_hosts(fields: Fields, allowed: Collection[str]) -> None:
    """Raises Forbidden when Host or Origin name another host: a web page elsewhere must not reach this service.

    A page may rebind its own name to 127.0.0.1 (then Host is wrong) or post across origins (then Origin is).
    """
    hosts = fields.all(b"host")
    if not hosts or any(host_of(host) not in allowed for host in hosts):
        raise Forbidden("This service answers under its loopback names only, until access is allowed by a setting.")
    if any(host_of(origin.partition("://")[2]) not in allowed for origin in fields.all(b"origin")):
        raise Forbidden("A page of another origin may not use this service.")


@lru_cache(maxsize=64)
def host_of(authority: str) -> str:
    """The host in lower case, without its port; an IPv6 address keeps its brackets. Empty when it is malformed."""
    found = _AUTHORITY.fullmatch(authority.strip().lower())
    return found[1] if found else ""


def _log_fault(scope: Scope, error: Exception) -> None:
    structlog.get_logger().error("request.failed", method=scope["method"], path=scope["path"], exc_info=error)
