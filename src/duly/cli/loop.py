"""The event loop of a process that serves or works."""

import gc
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from duly.engine.outlived import alone

T = TypeVar("T")

YOUNG = 50_000
"""So many new objects start a collection. A batch of tasks that is under way has a thousand times the usual 700, which
would each be looked at again and again: a third of a worker's time."""

TURN = 0.0003
"""Seconds after which a thread that computes lets in another one that wants to. In Python's usual 5 ms the event loop
ends 200 attempts: the thread that writes to SQLite would wait so long after each call of its driver, and the loop so
long for a handler that computes in a thread."""


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run it to its end. What was imported before is never looked at by the garbage collector again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 100)
    sys.setswitchinterval(TURN)
    return uvloop.run(alone(main))
