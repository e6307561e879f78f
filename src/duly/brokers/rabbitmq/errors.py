"""What aiormq raises, and its translation at the edge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.exceptions import PAMQPException

from duly.domain.errors import BrokerUnavailable

OUTSIDE = (AMQPError, ChannelInvalidStateError, PAMQPException, OSError, EOFError, StopAsyncIteration, TimeoutError)
"""The sixth is what aiormq raises when the server is gone before it has greeted."""


class QueueRefused(BrokerUnavailable):
    """This queue is not there and this user may not make it, or may not use it. Others may be well."""


@asynccontextmanager
async def in_time(longest: timedelta, doing: str) -> AsyncIterator[None]:
    """What goes wrong inside, or takes longer, raises BrokerUnavailable."""
    try:
        async with asyncio.timeout(longest.total_seconds()):
            yield
    except OUTSIDE as error:
        raise BrokerUnavailable(f"RabbitMQ did not do it ({doing}): {said(error)}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailable(f"The connection to RabbitMQ was closed ({doing}).") from error  # aiormq cancels so


def said(error: BaseException) -> str:
    """What went wrong, in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
