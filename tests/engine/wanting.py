"""What tests of Tasks share."""

from datetime import timedelta
from typing import Any

from duly.domain.state import State
from duly.domain.task import Task
from duly.domain.transition import Change
from duly.engine.submission import Submission
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.outage import Outage
from tests.support.stage import RealClock, Stage

HOUR = timedelta(hours=1)


async def echo(text: str = "x") -> str:
    return text


def a_store() -> Outage:
    return Outage(MemoryStore(MemoryDatabase(), RealClock()))


def wanted(**given: Any) -> Submission:
    return Submission(**({"type": "echo", "payload": {"text": "hello"}} | given))


async def finished(stage: Stage, state: State = State.CANCELLED, **given: Any) -> Task:
    task = (await stage.tasks.submit(wanted(**given))).task
    after = task._replace(state=state, version=task.version + 1, finished_at=task.created_at)
    assert await stage.store.tasks.apply([Change(task, after)]) == []
    return after
