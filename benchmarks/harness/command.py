"""The few commands of a contestant's module: ``python -m … fill 1000``. Standard library only."""

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Any


def serve(**commands: Callable[..., Any]) -> None:
    """Call the command that was named, with its numbers."""
    name, *arguments = sys.argv[1:]
    done = commands[name](*(int(one) if one.isdigit() else one for one in arguments))
    if inspect.iscoroutine(done):
        asyncio.run(done)
