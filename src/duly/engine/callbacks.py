"""Delivers callbacks: the handler of Duly's own tasks of the type ``duly.callback``."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import httpx

from duly.domain.callback import CALLBACK_RETRY, CALLBACK_TIMEOUT, CALLBACK_TYPE, SYSTEM_QUEUE
from duly.domain.errors import Misconfigured
from duly.domain.retry import Fail, RetryAfter
from duly.domain.task import DEFAULT_PRIORITY
from duly.domain.webhook import keys_for, signed
from duly.engine.callback_rules import CallbackRules, host_of
from duly.engine.context import Context
from duly.engine.handlers import TaskType
from duly.engine.signature import signature_of
from duly.engine.silent import SilentReceivers, StillSilent
from duly.links.guard import GuardedTransport, Refused, Resolve, Unresolved
from duly.ports.clock import Clock
from duly.ports.telemetry import Tracing

LONGEST_CALL = timedelta(seconds=20)
"""From the look-up of the name to the answer's headers; Standard Webhooks advises 15 to 30 s."""

LONGEST_PAUSE = CALLBACK_RETRY.longest
"""A receiver that asks for a longer pause is called again after this one."""


class NotDelivered(Exception):
    """The receiver did not say that it has the callback."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the receiver answered."""

    status: int


class Courier:
    """Signs and sends. What the receiver answers is not read beyond its headers: it can neither grow nor leak."""

    def __init__(
        self,
        secrets: Sequence[str],
        open_http: Callable[[], httpx.AsyncClient],
        clock: Clock,
        tracing: Tracing | None = None,
    ) -> None:
        self._secrets = tuple(secrets)
        self._open_http = open_http
        self._clock = clock
        self._tracing = tracing
        self._silent = SilentReceivers()

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        """Made when it is needed first: reading the certificates of all authorities takes time."""
        return self._open_http()

    async def deliver(self, ctx: Context, url: str, event: dict[str, Any]) -> Delivered:
        """Tell a task's callback address that the task is final."""
        keys = keys_for(self._secrets, host_of(httpx.URL(url)))
        if not keys:
            raise Misconfigured("This worker has no secret to sign this callback with: set DULY_CALLBACK_SECRETS.")
        body = json.dumps(event, separators=(",", ":")).encode()
        timestamp = int(self._clock.now().timestamp())
        headers = signed(keys, str(ctx.task_id), timestamp, body)
        response = await self._post(url, body, headers | self._trace(ctx) | {"content-type": "application/json"})
        self._judge(response, ctx.failures)
        return Delivered(response.status_code)

    def _trace(self, ctx: Context) -> dict[str, str]:
        """The receiver may go on with the trace: with this delivery's span, or else with what the task came with."""
        traceparent = ctx.traceparent if self._tracing is None else self._tracing.current()
        return {} if traceparent is None else {"traceparent": traceparent}

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """The answer, its body unread. Redirects are answers like others."""
        try:
            with self._silent.calling(url.partition("?")[0]):
                return await self._answer(url, body, headers)
        except (Refused, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Fail(f"The callback was not sent: {error}") from None
        except TimeoutError:
            raise NotDelivered(f"No answer within {LONGEST_CALL.total_seconds():.0f} s.") from None
        except StillSilent as error:
            raise NotDelivered(f"Not called: {error}") from None
        except (Unresolved, httpx.ConnectError) as error:
            raise NotDelivered(f"The receiver cannot be reached: {error}") from None
        except httpx.HTTPError as error:  # its text may hold what the receiver sent
            raise NotDelivered(f"The receiver gave no answer: {type(error).__name__}.") from None

    async def _answer(self, url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        async with (
            asyncio.timeout(LONGEST_CALL.total_seconds()),
            self._http.stream("POST", url, content=body, headers=headers) as response,
        ):
            return response

    def _judge(self, response: httpx.Response, failures: int) -> None:
        status = response.status_code
        if response.is_success:
            return
        if status == httpx.codes.GONE:
            raise Fail("The receiver answered 410: it wants no more of this.")
        pause = _pause(response.headers.get("retry-after", ""), self._clock.now())
        if pause is None:
            raise NotDelivered(f"The receiver answered {status}.")
        usual = CALLBACK_RETRY.wait(failures + 1, random.random())  # noqa: S311  # jitter, not a secret
        raise RetryAfter(max(pause, usual), f"The receiver answered {status}, to come back after {pause}.")


def callback_type(courier: Courier) -> TaskType:
    """How a worker runs deliveries."""
    return TaskType(
        name=CALLBACK_TYPE,
        function=courier.deliver,
        signature=signature_of(courier.deliver, CALLBACK_TYPE),
        queue=SYSTEM_QUEUE,
        priority=DEFAULT_PRIORITY,
        retry=CALLBACK_RETRY,
        timeout=CALLBACK_TIMEOUT,
        executor="async",
        description=(courier.deliver.__doc__ or "").strip(),
    )


def caller(rules: CallbackRules, resolve: Resolve, version: str) -> httpx.AsyncClient:
    """A client that connects to permitted addresses only, follows no redirect, and keeps nothing open between calls."""
    return httpx.AsyncClient(
        transport=GuardedTransport(resolve, rules.permits, None),
        trust_env=False,  # a proxy from the environment would connect in our place, unjudged
        follow_redirects=False,
        headers={"user-agent": f"duly/{version}"},
        timeout=LONGEST_CALL.total_seconds(),
    )


def _pause(header: str, now: datetime) -> timedelta | None:
    """The Retry-After header (RFC 9110, 10.2.3): seconds, or a date; None: there is none that can be read."""
    try:
        wait = timedelta(seconds=int(header)) if header.isdecimal() else parsedate_to_datetime(header) - now
    except (TypeError, ValueError, OverflowError):  # no date, or one without its offset
        return None
    return min(max(wait, timedelta()), LONGEST_PAUSE)
