"""Short ways to bring a task in a store to where a test begins."""

from duly.domain.event import TaskEvent
from duly.domain.fact import CancelAsked, Fact, Interrupted, Raised, Returned
from duly.domain.state import State
from duly.domain.task import DEFAULT_QUEUE, Task
from duly.domain.transition import Change, decide
from duly.ports.store import Store
from tests.support.builders import LEASE, WORKER, a_failure, a_task


async def added(store: Store, **given: object) -> Task:
    (task,) = await store.tasks.add([a_task(**given)])
    return task


async def running(store: Store, **given: object) -> Task:
    task = await added(store, **given)
    (claimed,) = await store.tasks.claim(task.queue, 1, WORKER, LEASE)
    assert claimed.id == task.id
    return claimed


async def ended(store: Store, state: State, **given: object) -> Task:
    """A task that has gone the way to this final state."""
    match state:
        case State.COMPLETED:
            task = await running(store, **given)
            return await decided(store, task, Returned(task.claim, '"olleh"'))
        case State.FAILED:
            task = await running(store, **given)
            return await decided(store, task, Raised(task.claim, a_failure(), None))
        case _:
            return await decided(store, await added(store, **given), CancelAsked())


async def interrupted(store: Store, **given: object) -> Task:
    task = await running(store, **given)
    return await decided(store, task, Interrupted(task.claim))


async def decided(store: Store, task: Task, fact: Fact) -> Task:
    """Decide, write, and return the task as it is then; the race must be won."""
    change = a_change(store, task, fact)
    assert await store.tasks.apply([change]) == []
    return change.after


def a_change(store: Store, task: Task, fact: Fact) -> Change:
    change = decide(task, fact, store.clock.now())
    assert change is not None
    return change


async def now_stored(store: Store, task: Task) -> Task:
    return (await store.tasks.get([task.id]))[task.id]


async def kinds_of(store: Store, task: Task) -> list[str]:
    events: list[TaskEvent] = await store.history.events(task.id)
    return [event.kind for event in events]


async def claims(store: Store, queue: str = DEFAULT_QUEUE, limit: int = 10) -> list[Task]:
    return await store.tasks.claim(queue, limit, WORKER, LEASE)
