"""Hints on their way to the broker and back: what is lost costs time, never a task."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from duly.brokers.memory import MemoryBroker
from duly.domain.task import Task, TaskId
from duly.engine.background import in_background
from duly.engine.hints import Hints
from duly.engine.relay import Relay, hints_of
from duly.ports.broker import MAX_IDS, Hint
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.testing.clock import FakeClock
from tests.support.builders import LEASE, NOON, WORKER, a_task
from tests.support.telling import Told

SOON = timedelta(seconds=15)


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock(NOON)
        self.store = MemoryStore(MemoryDatabase(), self.clock)
        self.broker = MemoryBroker()
        self.told = Told()
        self.relay = Relay(self.store, self.broker, self.told)

    async def added(self, count: int, **given: object) -> list[Task]:
        tasks = [a_task(**given) for _ in range(count)]
        await self.store.tasks.add(tasks)
        await self.store.queues.declare({task.queue for task in tasks})
        return tasks


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def taken(broker: MemoryBroker, count: int) -> list[TaskId]:
    ids: list[TaskId] = []
    async with broker.subscribe(["default"]) as subscription, asyncio.timeout(20):
        while len(ids) < count:
            ids += [task_id for hint in await subscription.take(count, SOON) for task_id in hint.ids]
    return ids


async def test_what_is_told_is_announced_at_once(scene: Scene):
    tasks = await scene.added(3)
    async with in_background(scene.told, scene.relay.run()):
        scene.relay.tell(tasks)

        assert await taken(scene.broker, 3) == [task.id for task in tasks]


async def test_what_is_told_last_is_announced_before_the_end(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    """A program that submits and ends at once left its tasks to whoever looks into the database."""
    announce = scene.broker.announce

    async def slowly(hints: Sequence[Hint]) -> None:
        await asyncio.sleep(0.05)
        await announce(hints)

    monkeypatch.setattr(scene.broker, "announce", slowly)
    tasks = await scene.added(3)
    async with in_background(scene.told, scene.relay.run()):
        scene.relay.tell(tasks)
        await scene.relay.last()

    assert await taken(scene.broker, 3) == [task.id for task in tasks]


async def test_a_broker_that_says_nothing_keeps_nobody_from_ending(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    async def for_ever(_hints: Sequence[Hint]) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(scene.broker, "announce", for_ever)
    async with asyncio.timeout(20), in_background(scene.told, scene.relay.run()):
        scene.relay.tell(await scene.added(1))
        await scene.relay.last()


async def test_ids_of_one_queue_and_priority_share_a_message_the_most_urgent_first():
    ids = [a_task().id for _ in range(MAX_IDS + 1)]
    urgent = a_task().id

    hints = hints_of([(("default", 1), task_id) for task_id in ids] + [(("default", 9), urgent)])

    assert [(hint.priority, len(hint.ids)) for hint in hints] == [(9, 1), (1, MAX_IDS), (1, 1)]


async def test_what_nobody_claimed_for_two_seconds_is_announced_again(scene: Scene):
    tasks = await scene.added(2)
    assert await scene.relay.step() == 0

    scene.clock.advance(timedelta(seconds=2))

    assert await scene.relay.step() == 2
    assert await taken(scene.broker, 2) == [task.id for task in tasks]


async def test_a_queue_that_the_broker_refuses_is_not_announced_again(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    await scene.added(2)
    await scene.added(1, queue="theirs")
    scene.clock.advance(timedelta(seconds=2))
    depths = scene.broker.depths

    async def without_theirs(queues):
        return await depths(set(queues) - {"theirs"})

    monkeypatch.setattr(scene.broker, "depths", without_theirs)

    assert await scene.relay.step() == 2


async def test_what_was_claimed_is_not_announced_again(scene: Scene):
    await scene.added(1)
    await scene.store.tasks.claim("default", 1, WORKER, LEASE)
    scene.clock.advance(timedelta(seconds=2))

    assert await scene.relay.step() == 0


async def test_a_queue_with_many_messages_is_left_alone(scene: Scene):
    (task,) = await scene.added(1)
    await scene.broker.announce([Hint("default", 5, (task.id,))] * 10)
    scene.clock.advance(timedelta(seconds=2))

    assert await scene.relay.step() == 0


async def test_a_paused_queue_is_not_announced(scene: Scene):
    await scene.added(1)
    await scene.store.queues.pause("default", True)
    scene.clock.advance(timedelta(seconds=2))

    assert await scene.relay.step() == 0


async def test_a_broker_that_is_away_is_told_once_and_what_was_told_is_found_later(scene: Scene):
    tasks = await scene.added(2)
    scene.broker.stop()
    async with in_background(scene.told, scene.relay.run()):
        scene.relay.tell(tasks)
        assert await scene.relay.step() == 0
        assert await scene.relay.step() == 0

        scene.broker.start()
        scene.clock.advance(timedelta(seconds=2))
        assert await scene.relay.step() == 2

    assert await taken(scene.broker, 2) == [task.id for task in tasks]
    assert scene.told.names.count("broker.unavailable") == 1


async def test_an_error_that_nobody_knows_ends_no_announcing(scene: Scene, monkeypatch):
    """Once it ended all background work of the process, which then answered 503 to every submit for ever."""
    announce, calls = scene.broker.announce, 0

    async def announced(hints):
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ZeroDivisionError
        await announce(hints)

    monkeypatch.setattr(scene.broker, "announce", announced)
    first, second = await scene.added(2)
    async with in_background(scene.told, scene.relay.run()):
        scene.relay.tell([first])
        await scene.told.until("loop.failed")
        scene.relay.tell([second])

        assert await taken(scene.broker, 1) == [second.id]


async def test_a_worker_takes_the_most_urgent_hint_first_and_no_more_than_it_has_room_for(scene: Scene):
    low, high = [a_task().id for _ in range(3)], [a_task().id for _ in range(3)]
    await scene.broker.announce([Hint("default", 1, tuple(low)), Hint("default", 9, tuple(high))])
    heard = asyncio.Event()
    async with scene.broker.subscribe(["default"]) as subscription:
        hints = Hints(subscription, ("default",), scene.store.queues, scene.told)
        async with in_background(scene.told, hints.run(lambda: 6, heard.set, SOON)), asyncio.timeout(20):
            await heard.wait()

            assert hints.take(2) == ("default", high[:2])
            assert hints.take(2) == ("default", high[2:])
            assert hints.take(9) == ("default", low)
            assert hints.take(9) is None


async def test_a_worker_hears_again_when_the_broker_is_back(scene: Scene):
    heard = asyncio.Event()
    scene.broker.stop()
    async with scene.broker.subscribe(["default"]) as subscription:
        hints = Hints(subscription, ("default",), scene.store.queues, scene.told)
        async with in_background(scene.told, hints.run(lambda: 1, heard.set, timedelta(milliseconds=20))):
            await scene.told.until("broker.unavailable")
            scene.broker.start()
            task_id = a_task().id
            await scene.broker.announce([Hint("default", 5, (task_id,))])

            async with asyncio.timeout(20):
                await heard.wait()
            assert hints.take(1) == ("default", [task_id])


async def test_deliveries_are_announced_to_nobody_since_every_worker_looks_for_them(scene: Scene):
    """Where Celery runs the tasks, nobody takes what is announced for Duly's own queue: it would pile up."""
    (delivery,) = await scene.added(1, queue="duly.system")
    (task,) = await scene.added(1)
    scene.clock.advance(SOON)
    scene.relay.tell([delivery])

    assert await scene.relay.step() == 1
    async with in_background(scene.told, scene.relay.run()):
        scene.relay.tell([delivery, task])
        assert await taken(scene.broker, 2) == [task.id, task.id]
    assert await scene.broker.depths(["duly.system"]) == {"duly.system": 0}
