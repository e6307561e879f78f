"""Handlers that fork, and whose copy comes back out of them."""

import asyncio
from typing import Any

import pytest

from duly.domain.state import State
from duly.engine.handlers import Handlers
from tests.engine import work
from tests.support.serving import a_type
from tests.support.stage import at_work


@pytest.mark.parametrize(
    ("executor", "handler"),
    [("thread", work.fork), ("process", work.fork), ("async", work.fork_in_loop)],
)
async def test_a_copy_of_the_process_that_comes_back_out_of_a_handler_ends(executor: Any, handler: Any) -> None:
    """It lived on as a second worker; one of a process took that's next orders, whose claims were lost."""
    handlers = Handlers()
    handlers.add(a_type("fork", handler.task_type.function, executor=executor))

    async with at_work(handlers) as stage, asyncio.timeout(30):
        task = await stage.ran("fork")

        assert (task.state, task.result) == (State.COMPLETED, "1")
