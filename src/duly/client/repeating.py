"""When a request is sent again: only where that is safe, and not before the service wants it."""

import random
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from duly.client.call import Call, T
from duly.client.errors import ServiceUnreachable
from duly.domain.errors import KeyInFlight, QueueFull, StoreUnavailable, TooMany

REFUSED = (TooMany, QueueFull, KeyInFlight)
"""Nothing was done."""

REPEATED = (StoreUnavailable, *REFUSED)

FIRST = timedelta(milliseconds=200)
LONGEST = timedelta(seconds=30)
"""Who is told to come back later than that is told so at once."""


def named(call: Call[T], retries: int) -> Call[T]:
    """A submit that may have to be repeated gets an Idempotency-Key of its own, unless it has one."""
    if not retries or not call.takes_key or call.idempotency_key is not None:
        return call
    return replace(call, idempotency_key=uuid4().hex)


def pause_before(
    call: Call[T], error: StoreUnavailable | TooMany | QueueFull | KeyInFlight, failures: int
) -> timedelta:
    """How long to wait before the call is sent again, with chance against herds. Raises the error if it must not be."""
    pause = FIRST * (1 << failures) * random.uniform(0.5, 1.5)  # noqa: S311  # spreads, hides nothing
    if not isinstance(error, ServiceUnreachable):
        pause = max(pause, error.retry_after)
    if pause > LONGEST or not (call.safe or isinstance(error, REFUSED)):
        raise error
    return pause
