"""How a call becomes an httpx request, and an httpx response or error becomes an answer or error of ours."""

import os
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypedDict

import httpx

from duly.client.call import Answer, Call, T
from duly.client.errors import ServiceUnreachable
from duly.domain.errors import Misconfigured

DEFAULT_URL = "http://127.0.0.1:8000"
KEY_VARIABLE = "DULY_KEY"
DEFAULT_TIMEOUT = timedelta(seconds=30)
DEFAULT_RETRIES = 2

LOOPBACK = {"127.0.0.1": "all://127.0.0.1", "localhost": "all://localhost", "::1": "all://[::1]"}
"""Never asked through a proxy, whatever the environment says of proxies."""


_LONGEST = 86_400
"""Seconds; whoever says more is not believed."""


class Setup(TypedDict):
    """What both kinds of httpx client are made with."""

    base_url: str
    headers: Mapping[str, str]
    follow_redirects: bool
    mounts: dict[str, None]
    trust_env: bool
    verify: ssl.SSLContext | bool


def setup(url: str, headers: Mapping[str, str], key: str | None) -> Setup:
    """The same for both clients. Raises Misconfigured when the address is none, or the key cannot be sent.

    The key goes to this address and to no other: redirects are not followed.
    """
    # Reading all certificates takes longer than a call; where there is no TLS, trusting nobody is enough.
    parsed = _parsed(url)
    secure = parsed.scheme == "https"
    verify = secure or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    sent = _credential(os.environ.get(KEY_VARIABLE, "") if key is None else key) | dict(headers)
    return Setup(
        base_url=url.rstrip("/"),
        headers=sent,
        follow_redirects=False,
        mounts=dict.fromkeys(LOOPBACK.values()),
        trust_env=secure or parsed.host not in LOOPBACK,  # even a proxy that is not asked must be one that can be
        verify=verify,
    )


@contextmanager
def proxies_of_the_environment() -> Iterator[None]:
    """Around the making of a client. Raises Misconfigured where httpx cannot use a proxy that the environment names."""
    try:
        yield
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise Misconfigured(f"A proxy that the environment names cannot be used: {error}") from error


def request(client: httpx.Client | httpx.AsyncClient, call: Call[T], timeout: timedelta) -> httpx.Request:
    """The request of a call; it may take the time-out and what the service was asked to wait."""
    return client.build_request(
        call.method,
        call.path,
        params=dict(call.query),
        content=call.body,
        headers=call.headers | _trace(),
        timeout=httpx.Timeout(timeout.total_seconds(), read=(timeout + call.patience).total_seconds()),
    )


def answer(response: httpx.Response) -> Answer:
    """The parts of a response that matter."""
    return Answer(response.status_code, response.content, _retry_after(response.headers.get("retry-after")))


def unreachable(url: str, error: httpx.HTTPError) -> ServiceUnreachable:
    """What a transport's error means."""
    return ServiceUnreachable(str(_parsed(url).copy_with(userinfo=b"")), str(error) or type(error).__name__)


def _trace() -> dict[str, str]:
    """The caller's span, so that the task belongs to it, where the program uses OpenTelemetry."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry import propagate  # noqa: PLC0415  # an optional library

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def _credential(key: str) -> dict[str, str]:
    if not key:
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Misconfigured(f"The key ({KEY_VARIABLE}) holds what no key holds: a space, a line end or the like.")
    return {"Authorization": f"Bearer {key}"}


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Misconfigured(f"{url!r} is no address of a service: {error}.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise Misconfigured(f"{url!r} is no address of a service: write it as in {DEFAULT_URL}.")
    return parsed


def _retry_after(text: str | None) -> timedelta | None:
    """Seconds, or a date (RFC 9110 section 10.2.3): proxies send that too."""
    if not text:
        return None
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text[:9]), _LONGEST))
    try:
        return max(parsedate_to_datetime(text) - datetime.now(UTC), timedelta())
    except (TypeError, ValueError, OverflowError):  # no date, or one without its offset
        return None
