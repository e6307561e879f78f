"""What tests of outcomes share."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from duly.domain.retry import Retry
from duly.domain.task import Task
from duly.engine.context import Context
from duly.engine.handlers import Handlers
from tests.support.serving import a_type

SOON = Retry(max_attempts=3, initial=timedelta(milliseconds=1), jitter=False)


def both(body: Callable[[Context], Any]) -> Handlers:
    """The same handler as ``async def`` (type "async") and as ``def`` (type "thread"), retried soon."""

    async def in_loop(ctx: Context) -> Any:
        return body(ctx)

    def in_thread(ctx: Context) -> Any:
        return body(ctx)

    handlers = Handlers()
    handlers.add(a_type("async", in_loop, retry=SOON))
    handlers.add(a_type("thread", in_thread, retry=SOON))
    return handlers


def error_of(task: Task) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(task.error or "null")
    return found


executors = pytest.mark.parametrize("executor", ["async", "thread"])
