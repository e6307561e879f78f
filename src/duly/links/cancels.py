"""Cancels that a library has swallowed."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

R = TypeVar("R")


def cancels() -> int:
    """How often the running task was cancelled and has not taken it back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


async def heeding(answer: Awaitable[R]) -> R:
    """What it comes to; CancelledError when this was cancelled meanwhile, whatever has become of that on the way.

    Before Python 3.12 ``asyncio.wait_for``, and so each command of redis-py, goes on as if nothing had been said when
    it is cancelled at the moment at which it is done.
    """
    before = cancels()
    try:
        return await answer
    finally:
        if cancels() > before:
            raise asyncio.CancelledError
