"""Loops, patience, ids, counts: the small parts that everything else stands on."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.domain.errors import StoreUnavailable
from duly.domain.state import State
from duly.domain.stats import BOUNDS_MS
from duly.engine import loop as loop_module
from duly.engine.crowd import Crowd
from duly.engine.housekeeping import Housekeeping, Upkeep
from duly.engine.ids import Ids
from duly.engine.jsontext import encoded, size_of
from duly.engine.loop import every
from duly.engine.meter import Meter, MeterReading
from duly.engine.outcome import crash_wait
from duly.engine.patience import patiently
from duly.ports.store import MAX_BATCH, Retention
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.testing import FakeClock
from tests.support.builders import NOON, a_task, a_worker
from tests.support.moves import ended
from tests.support.outage import Outage
from tests.support.serving import handlers_of
from tests.support.stage import a_stage
from tests.support.telling import Told

DAY = timedelta(days=1)


class Steps:
    """A step that does in turn what it is told."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.done = asyncio.Event()
        self.count = 0

    async def __call__(self) -> object:
        self.count += 1
        if not self.outcomes:
            self.done.set()
            return None
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def looped(steps: Steps, interval: timedelta) -> Told:
    told = Told()
    running = asyncio.create_task(every(interval, steps, "test", told))
    async with asyncio.timeout(20):
        await steps.done.wait()
    running.cancel()
    await asyncio.wait([running])
    return told


async def test_a_loop_goes_on_after_an_outage_and_after_a_fault() -> None:
    told = await looped(Steps(StoreUnavailable("away"), ZeroDivisionError(), 1), timedelta(milliseconds=1))

    assert told.names == ["store.unavailable", "loop.failed"]
    assert [facts["failures"] for _, facts in told.events] == [1, 2]


async def test_a_step_may_want_the_next_one_later() -> None:
    began = asyncio.get_running_loop().time()

    await looped(Steps(timedelta(milliseconds=300)), timedelta(milliseconds=1))

    assert asyncio.get_running_loop().time() - began >= 0.3


async def test_a_step_may_want_the_next_one_sooner() -> None:
    began = asyncio.get_running_loop().time()

    await looped(Steps(timedelta(), timedelta(milliseconds=1)), timedelta(hours=1))

    assert asyncio.get_running_loop().time() - began < 20


async def test_a_step_that_fails_is_tried_again_later_and_later_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "LONGEST_PAUSE", 0.02)
    began = asyncio.get_running_loop().time()

    await looped(Steps(*[StoreUnavailable("away")] * 20), timedelta(milliseconds=1))

    took = asyncio.get_running_loop().time() - began
    assert 0.1 < took < 8  # 20 ms without back-off, over 9 s without the limit


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_ids_of_one_maker_never_go_back_even_when_its_clock_does(steps: list[int]) -> None:
    ids = Ids()
    made = [ids.new(NOON + timedelta(milliseconds=2 - step)) for step in steps for _ in range(3)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(task_id.version, task_id.variant) for task_id in made} == {(7, UUID(int=0x8 << 60).variant)}


def test_an_id_tells_when_it_was_made() -> None:
    made = Ids().new(datetime(2026, 1, 1, tzinfo=UTC))

    assert made.int >> 80 == int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


def test_ids_of_many_threads_are_all_different() -> None:
    ids, made = Ids(), []
    threads = [Thread(target=lambda: made.extend(ids.new(NOON) for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 2000


def test_ids_of_a_forked_copy_are_different() -> None:
    """Both go on from the same id, in the same millisecond."""
    ids = Ids()
    ids.several(NOON, 3)
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, b"".join(task_id.bytes for task_id in ids.several(NOON, 20)))
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(reading, 20 * 16)
    theirs = {UUID(bytes=told[at : at + 16]) for at in range(0, len(told), 16)}

    assert len(theirs) == 20
    assert theirs.isdisjoint(ids.several(NOON, 20))
    for end in (reading, writing):
        os.close(end)


@given(st.text())
def test_the_size_of_a_text_is_what_a_client_sends(text: str) -> None:
    stored = encoded([text])
    sent = stored if stored.isascii() and "\\u" not in stored else None

    assert size_of(stored) <= len(stored)
    assert size_of(encoded(["ä" * 10])) == len('["' + "ä" * 10 + '"]') + 10
    assert sent is None or size_of(stored) == len(stored)


async def test_patience_ends_with_the_last_outage() -> None:
    tries: list[int] = []

    async def away() -> None:
        tries.append(1)
        raise StoreUnavailable(f"try {len(tries)}")

    with pytest.raises(StoreUnavailable, match=r"try [2-9]"):
        await patiently(away, timedelta(milliseconds=300))


async def test_patience_without_end_goes_on_until_there_is_an_answer() -> None:
    steps = Steps(StoreUnavailable("away"), StoreUnavailable("away"), "there")

    assert await patiently(steps, None) == "there"


def test_the_first_crash_costs_no_wait_and_the_next_ones_up_to_a_minute() -> None:
    waits = [crash_wait(crashes, 0.999999) for crashes in (1, 2, 3, 9)]

    assert waits[0] == timedelta()
    assert [round(wait.total_seconds()) for wait in waits[1:]] == [2, 4, 60]


async def test_what_a_meter_counts_is_written_and_counted_anew() -> None:
    store = MemoryStore(MemoryDatabase(), FakeClock(NOON))
    meter = Meter("process-1")
    reading = MeterReading(meter, store.queues)
    mail = a_task(queue="mail")
    meter.submitted(mail)
    meter.started(mail, 0.003)
    meter.settled(mail._replace(state=State.COMPLETED), 86_400.0)
    meter.settled(mail._replace(state=State.FAILED), 0.0)

    written = await reading.step(NOON)
    (row,) = await store.queues.rates(DAY)

    assert (written, await reading.step(NOON)) == (1, 0)
    assert (row.process, row.queue, row.submitted, row.completed, row.failed) == ("process-1", "mail", 1, 1, 1)
    assert (row.waits[BOUNDS_MS.index(5)], row.runs[-1], row.runs[0]) == (1, 1, 1)


async def test_what_could_not_be_written_is_written_with_the_next_pass() -> None:
    store = Outage(MemoryStore(MemoryDatabase(), FakeClock(NOON)))
    meter = Meter("process-1")
    reading = MeterReading(meter, store.queues)
    meter.submitted(a_task(queue="mail"))
    store.away = True
    with pytest.raises(StoreUnavailable):
        await reading.step(NOON)
    store.away = False

    assert await reading.step(NOON + timedelta(seconds=10)) == 1


@pytest.mark.mistake(49)
async def test_what_was_kept_long_enough_is_purged_whoever_does_it() -> None:
    clock = FakeClock(NOON)
    store = MemoryStore(MemoryDatabase(), clock)
    async with a_stage(handlers_of(), store, sweeping=False) as stage:
        house = Housekeeping(
            store,
            stage.sweeper,
            MeterReading(stage.meter, store.queues),
            Upkeep(Retention(done=DAY, failed=7 * DAY, queues={}), purged_kept=DAY),
            crowd=Crowd(),
            lease=timedelta(seconds=30),
            emit=stage.told,
        )
        old = [await ended(store, State.CANCELLED) for _ in range(MAX_BATCH + 1)]
        failed = await ended(store, State.FAILED)
        await store.roster.beat(a_worker(), DAY)
        clock.advance(DAY + timedelta(seconds=1))
        fresh = await ended(store, State.CANCELLED, id=a_task().id)
        keeping = asyncio.create_task(house.run())
        await stage.told.until("tasks.purged")
        keeping.cancel()
        await asyncio.wait([keeping])

        left = await store.tasks.get([failed.id, fresh.id, *(task.id for task in old)])
        assert set(left) == {failed.id, fresh.id}
        assert stage.told.of("tasks.purged")[0]["count"] == MAX_BATCH + 1
        assert await store.history.purged([old[0].id]) == {old[0].id}
        assert await store.roster.alive(10 * DAY) == []

        clock.advance(DAY + timedelta(seconds=1))
        await house.purge()
        assert await store.history.purged([old[0].id]) == set()
