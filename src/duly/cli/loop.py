"""The event loop of a process that serves or works."""

import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from duly.engine.outlived import alone

T = TypeVar("T")

YOUNG = 50_000
"""So many new objects start a collection. A batch of tasks that is under way has a thousand times the usual 700, which
would each be looked at again and again: a third of a worker's time."""


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run it to its end. What was imported before is never looked at by the garbage collector again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 100)
    return uvloop.run(alone(main))
