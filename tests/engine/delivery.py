"""Callbacks delivered for real, to a receiver of the test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

from duly.domain.retry import Fail
from duly.domain.state import State
from duly.engine.callback_rules import CallbackRules
from duly.engine.callbacks import Courier, callback_type, caller
from duly.engine.handlers import Served
from duly.engine.limits import Limits
from duly.links.guard import resolve
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.serving import handlers_of
from tests.support.stage import RealClock, Stage, a_stage, a_worker

SECRET = "whsec_" + "c2VjcmV0LW9uZS0wMDAwMDAwMDAwMDAwMDAwMDAwMDA="

HERE = CallbackRules(enabled=True, networks=(ip_network("127.0.0.0/8"),))


@asynccontextmanager
async def at_work(rules=HERE, secrets=(SECRET,), resolve=resolve, store=None, **given) -> AsyncIterator[Stage]:
    """A stage with a worker that delivers, under rules of its own: what was allowed at the submit may not be now."""

    async def greet(name: str) -> str:
        return f"hello {name}"

    async def refuse() -> None:
        raise Fail("no")

    handlers = handlers_of(greet=greet, refuse=refuse)
    store = store or MemoryStore(MemoryDatabase(), RealClock())
    courier = Courier(secrets, lambda: caller(rules, resolve, "9.9"), store.clock)
    async with (
        a_stage(handlers, store, limits=Limits(callbacks=HERE)) as stage,
        a_worker(stage, handlers=Served(handlers, callback_type(courier)), **given),
    ):
        yield stage


async def delivery_of(stage, task_id):
    """The newest delivery of this task."""
    tasks = stage.store.tasks._database.tasks.values()
    return max((task for task in tasks if task.tags == (str(task_id),)), key=lambda task: task.id)


async def submitted(stage, receiver, type_name="greet", **given):
    payload = {"name": "Ada"} if type_name == "greet" else {}
    return await stage.submit(type_name, payload, callback_url=receiver.url, **given)


async def delivered(stage, task_id):
    """The task's delivery, once it is final."""
    await stage.ended(task_id)
    return await stage.ended((await delivery_of(stage, task_id)).id)


async def failing(stage, task_id):
    """The task's delivery, once it waits for its next try."""
    await stage.ended(task_id)
    return await stage.until((await delivery_of(stage, task_id)).id, State.SCHEDULED)
