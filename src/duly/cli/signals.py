"""What SIGTERM and Ctrl-C do: the first asks to end in good order, the second ends at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from duly.cli.exits import INTERRUPTED

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_signals(call: Callable[[], None]) -> Iterator[None]:
    """Call this for each SIGTERM and SIGINT, in the running event loop."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, call)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


@contextmanager
def stop_on_signals(stop: asyncio.Event, *, alone: bool) -> Iterator[None]:
    """Set ``stop`` at the first signal; at the second, end the process where it stands, even if its loop does too.

    Not one that has a parent: a service manager may tell all of a group, and then the parent tells its children once
    more. It kills those that are to end at once.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def take(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked and alone:
            os._exit(INTERRUPTED)
        asked = True
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, take) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
