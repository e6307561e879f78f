"""Hints, and who takes them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from duly.domain.task import TaskId
from duly.ports.broker import Hint, Subscription
from tests.support.builders import a_task_id

SOON = timedelta(seconds=15)
AT_ONCE = timedelta(milliseconds=200)


def a_hint(queue: str = "default", priority: int = 5, ids: int = 1) -> Hint:
    return Hint(queue, priority, tuple(a_task_id() for _ in range(ids)))


def ids_of(hints: Sequence[Hint]) -> list[TaskId]:
    return [task_id for hint in hints for task_id in hint.ids]


async def all_taken(subscription: Subscription, count: int, limit: int = 100) -> list[Hint]:
    """Take until so many ids are there; fails after ten seconds."""
    taken: list[Hint] = []
    async with asyncio.timeout(30):
        while len(ids_of(taken)) < count:
            taken += await subscription.take(limit, SOON)
    return taken
