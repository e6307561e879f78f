"""What SIGTERM and Ctrl-C do: the first asks to end in good order, the second ends at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set ``stop`` at the first signal; at the second, end the process where it stands."""

    def again() -> None:
        if stop.is_set():
            os._exit(INTERRUPTED)
        stop.set()

    with on_signals(again):
        yield
