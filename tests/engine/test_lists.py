"""Lists come from a replica for as long as it keeps up, and from the database whenever it does not."""

import asyncio
from datetime import timedelta

import pytest

from duly.domain.errors import SchemaOutdated, StoreUnavailable
from duly.domain.query import TaskQuery
from duly.engine.lists import Lists
from duly.ports.store import Store
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.builders import a_task
from tests.support.outage import Outage
from tests.support.stage import RealClock
from tests.support.telling import Told

ALL = TaskQuery()


class Place:
    """A database and its replica: two stores, of which a test makes the second like the first when it wants."""

    def __init__(self) -> None:
        self.told = Told()
        self.database = MemoryStore(MemoryDatabase(), RealClock())
        self.replica = Outage(MemoryStore(MemoryDatabase(), RealClock()))
        self.refusal: Exception | None = None
        self.opened = 0

    async def open(self) -> Store:
        self.opened += 1
        if self.refusal is not None:
            raise self.refusal
        return self.replica

    def lists(self, longest_behind: timedelta = timedelta(seconds=30)) -> Lists:
        return Lists(self.database, self.open, self.told, longest_behind)

    async def submit(self, *stores: Store) -> None:
        task = a_task(created_at=self.database.clock.now())
        for store in stores:
            await store.tasks.add([task])

    async def submit_to_both(self) -> None:
        await self.submit(self.database, self.replica)


@pytest.fixture
async def place() -> Place:
    return Place()


async def test_a_replica_that_has_what_the_database_had_answers_lists(place):
    await place.submit_to_both()
    lists = place.lists()

    assert await lists.step()
    await lists.page(ALL)
    assert place.replica.calls["page"] == 2  # one of them was the look
    assert place.told.names == ["replica.used"]


async def test_an_empty_database_and_an_empty_replica_are_alike(place):
    assert await place.lists().step()


async def test_a_replica_is_not_used_before_it_was_seen_to_keep_up(place):
    await place.submit(place.database)
    lists = place.lists()

    assert not await lists.step()
    assert len((await lists.page(ALL)).tasks) == 1


async def test_a_replica_that_stays_behind_is_left_until_it_has_caught_up(place):
    await place.submit_to_both()
    lists = place.lists(longest_behind=timedelta())
    await lists.step()
    missing = a_task(created_at=place.database.clock.now())
    await place.database.tasks.add([missing])

    assert not await lists.step()
    assert len((await lists.page(ALL)).tasks) == 2
    assert [facts["error"] for facts in place.told.of("replica.unavailable")] == ["It has been behind for 0 seconds."]

    await place.replica.tasks.add([missing])
    assert await lists.step()
    assert place.told.names.count("replica.used") == 2


async def test_a_busy_database_does_not_make_a_replica_look_late(place):
    """There is always something that has not arrived yet; what was there a while ago has."""
    lists = place.lists(longest_behind=timedelta(seconds=5))
    await place.submit_to_both()
    await lists.step()
    for _ in range(5):
        late = a_task(created_at=place.database.clock.now())
        await place.database.tasks.add([late])
        assert await lists.step()
        await place.replica.tasks.add([late])


@pytest.mark.mistake(34)
async def test_a_replica_that_goes_away_costs_nobody_a_list_and_is_used_again(place):
    await place.submit_to_both()
    lists = place.lists()
    await lists.step()

    place.replica.away = True
    assert len((await lists.page(ALL)).tasks) == 1
    calls = place.replica.calls["page"]
    await lists.page(ALL)
    assert place.replica.calls["page"] == calls
    assert not await lists.step()
    assert len(place.told.of("replica.unavailable")) == 1

    place.replica.away = False
    assert await lists.step()
    assert place.opened == 1


@pytest.mark.parametrize("refusal", [StoreUnavailable("refused"), SchemaOutdated("0001", "0002")])
async def test_a_replica_that_cannot_be_opened_yet_is_tried_again(place, refusal):
    await place.submit_to_both()
    lists = place.lists()
    place.refusal = refusal

    assert not await lists.step()
    assert len((await lists.page(ALL)).tasks) == 1
    place.refusal = None
    assert await lists.step()


async def test_closing_gives_back_the_replica(place):
    lists = place.lists()
    await lists.close()
    await lists.step()
    await lists.close()

    await asyncio.wait_for(lists.page(ALL), 20)
    assert place.replica.calls["page"] == 1
