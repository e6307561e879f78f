"""Claiming, and what happens when the answer to a claim is lost."""

import asyncio
import time
from datetime import timedelta

import pytest

from duly.domain.state import State
from duly.domain.task import WorkerId
from duly.domain.transition import Change
from duly.engine import pace
from duly.engine.gather import CROWD
from duly.engine.handlers import Handlers
from duly.engine.submission import Submission
from duly.ports.bell import queue_topic
from duly.ports.store import MAX_BATCH
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.builders import a_worker as a_record
from tests.support.outage import Gate, Outage
from tests.support.serving import handlers_of
from tests.support.stage import RealClock, a_stage, a_worker, at_work, becomes_true

NEVER = timedelta(hours=1)


def a_store() -> Outage:
    return Outage(MemoryStore(MemoryDatabase(), RealClock()))


class Crowd:
    """A handler that counts how many of it run at once, and goes on when it is let."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.starts = 0
        self.go = asyncio.Event()
        self.enough = asyncio.Event()

    def handlers(self, wanted: int = 1) -> Handlers:
        async def crowd() -> None:
            self.starts += 1
            self.now += 1
            self.most = max(self.most, self.now)
            if self.starts >= wanted:
                self.enough.set()
            await self.go.wait()
            self.now -= 1

        return handlers_of(crowd=crowd)

    async def full(self) -> None:
        async with asyncio.timeout(20):
            await self.enough.wait()


async def test_there_are_never_more_attempts_than_slots() -> None:
    crowd = Crowd()
    crowd.go.set()
    async with at_work(crowd.handlers(), slots=3) as stage:
        ids = [await stage.submit("crowd") for _ in range(30)]
        for task_id in ids:
            await stage.ended(task_id)

        assert crowd.most <= 3
        assert crowd.starts == 30


@pytest.mark.mistake(10)
async def test_a_slot_is_free_only_when_its_settle_is_stored() -> None:
    crowd, store = Crowd(), a_store()
    gate = Gate()
    crowd.go.set()
    async with at_work(crowd.handlers(), store, slots=1) as stage:
        store.before["apply"] = gate
        first, second = await stage.submit("crowd"), await stage.submit("crowd")
        await gate.reached()
        waiting = await stage.now(second)

        gate.open()
        await stage.ended(first)
        done = await stage.ended(second)

        assert waiting.state is State.PENDING
        assert done.state is State.COMPLETED


async def test_a_submit_wakes_an_idle_worker() -> None:
    async with at_work(Crowd().handlers(), poll_interval=NEVER) as stage:
        await stage.told.until("worker.started")
        task_id = await stage.submit("crowd")

        assert (await stage.until(task_id, State.RUNNING)).attempt == 1


async def test_without_a_ring_an_idle_worker_looks_by_itself() -> None:
    async with at_work(Crowd().handlers()) as stage:
        task = stage.tasks.make(Submission(type="crowd", payload={}))
        await stage.store.tasks.add([task])

        assert (await stage.until(task.id, State.RUNNING)).attempt == 1


async def test_among_many_a_worker_looks_seldom() -> None:
    """A hundred idle workers asked two hundred times a second for what any one of them would have found."""
    store, now = a_store(), RealClock().now()
    for number in range(99):
        await store.roster.beat(a_record(id=WorkerId(f"other-{number}"), seen_at=now), timedelta(minutes=1))
    async with a_stage(Crowd().handlers(), store) as stage, a_worker(stage, poll_interval=timedelta(milliseconds=50)):
        await becomes_true(lambda: store.done["beat"] == 100)
        before, began = store.calls["claim"], time.monotonic()
        await asyncio.sleep(0.5)

        looks, alone = store.calls["claim"] - before, (time.monotonic() - began) / 0.05
        assert looks <= alone / 5


async def test_a_slot_that_is_free_again_sends_no_worker_to_look_that_had_others_free() -> None:
    """It looked once more after each task, for nothing: the last look had found all there was."""
    crowd, store = Crowd(), a_store()
    crowd.go.set()
    async with a_stage(crowd.handlers(), store) as stage, a_worker(stage, poll_interval=NEVER):
        await stage.told.until("worker.started")
        await becomes_true(lambda: store.done["claim"] == 1)
        for _ in range(5):
            await stage.ended(await stage.submit("crowd"))

        assert store.calls["claim"] == 6


async def test_whoever_was_outrun_when_the_bell_rang_hears_it_the_next_time() -> None:
    crowd, store = Crowd(), a_store()
    crowd.go.set()
    async with a_stage(crowd.handlers(), store) as stage, a_worker(stage, poll_interval=NEVER):
        await stage.told.until("worker.started")
        await becomes_true(lambda: store.done["claim"] == 1)
        for outrun in (2, 4, 6):
            stage.bell.ring([queue_topic("default")])
            await becomes_true(lambda outrun=outrun: store.done["claim"] == outrun)

            assert (await stage.ended(await stage.submit("crowd"))).state is State.COMPLETED


async def test_rings_after_a_crowd_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each claim of a few tasks costs about as much as one of many, and each ring reaches every worker."""
    monkeypatch.setattr(pace, "APART", (0.3, 0.3))
    crowd, store = Crowd(), a_store()
    async with a_stage(crowd.handlers(wanted=CROWD), store) as stage, a_worker(stage, slots=99, poll_interval=NEVER):
        await stage.told.until("worker.started")
        await becomes_true(lambda: store.done["claim"] == 1)
        await stage.store.tasks.add([stage.tasks.make(Submission(type="crowd", payload={})) for _ in range(CROWD)])
        stage.bell.ring([queue_topic("default")])
        await crowd.full()
        late = [await stage.submit("crowd") for _ in range(20)]
        before = store.calls["claim"]
        crowd.go.set()
        for task_id in late:
            await stage.ended(task_id)

        assert (before, store.calls["claim"]) == (2, 3)


async def test_no_queue_is_forgotten_behind_a_full_one() -> None:
    crowd = Crowd()
    crowd.go.set()
    async with a_stage(crowd.handlers()) as stage:
        for _ in range(200):
            await stage.submit("crowd", queue="full")
        small = await stage.submit("crowd", queue="small")
        async with a_worker(stage, queues=("full", "small"), slots=2):
            task = await stage.ended(small)
            waiting = [one for one in stage.store.tasks._database.tasks.values() if not one.final]

        assert task.state is State.COMPLETED
        assert len(waiting) > 150


async def test_more_than_one_batch_fills_the_slots_without_a_pause() -> None:
    """A claim takes 500 tasks at most: with more slots than that the rest waited for the next poll."""
    crowd = Crowd()
    async with a_stage(crowd.handlers(wanted=MAX_BATCH + 100)) as stage:
        for _ in range(MAX_BATCH + 100):
            await stage.submit("crowd")
        async with a_worker(stage, slots=1000, poll_interval=NEVER):
            await crowd.full()
            crowd.go.set()

        assert crowd.starts == MAX_BATCH + 100


@pytest.mark.mistake(34)
async def test_a_worker_goes_on_when_its_store_has_been_away() -> None:
    crowd, store = Crowd(), a_store()
    crowd.go.set()
    async with at_work(crowd.handlers(), store) as stage:
        await stage.ran("crowd")
        store.away = True
        await stage.told.until("store.unavailable")

        store.away = False
        task = await stage.ran("crowd")

        assert (task.state, task.crashes) == (State.COMPLETED, 0)


async def test_a_fault_in_a_claim_does_not_end_what_runs() -> None:
    """It ended the intake, and with it every attempt, unsettled."""
    crowd, store = Crowd(), a_store()
    async with at_work(crowd.handlers(), store) as stage:
        task_id = await stage.submit("crowd")
        await crowd.full()
        store.faults["claim"] = [ZeroDivisionError()]
        await stage.told.until("loop.failed")
        crowd.go.set()
        task = await stage.ended(task_id)
        after = await stage.ran("crowd")

        assert (task.state, task.attempt) == (State.COMPLETED, 1)
        assert after.state is State.COMPLETED


async def test_tasks_of_a_claim_whose_answer_was_lost_are_adopted_and_charged_nothing() -> None:
    crowd, store = Crowd(), a_store()
    crowd.go.set()
    store.lost["claim"] = 1
    async with a_stage(crowd.handlers(), store) as stage:
        ids = [await stage.submit("crowd") for _ in range(5)]
        async with a_worker(stage):
            tasks = [await stage.ended(task_id) for task_id in ids]

        assert {(task.state, task.attempt, task.crashes) for task in tasks} == {(State.COMPLETED, 1, 0)}
        assert crowd.starts == 5
        assert "attempt.broken" not in stage.told.names


async def test_the_lease_of_an_adopted_task_is_kept() -> None:
    """It was renewed once and never again: whatever ran for longer than a lease was taken away."""
    crowd, store = Crowd(), a_store()
    store.lost["claim"] = 1
    async with a_stage(crowd.handlers(), store, lease=timedelta(milliseconds=300)) as stage:
        task_id = await stage.submit("crowd")
        async with a_worker(stage):
            await crowd.full()
            for _ in range(4):
                await stage.renewed(task_id)
            crowd.go.set()
            task = await stage.ended(task_id)

        assert (task.state, task.attempt, task.crashes) == (State.COMPLETED, 1, 0)


async def test_what_ends_here_while_orphans_are_looked_for_does_not_begin_again() -> None:
    crowd, store = Crowd(), a_store()
    gate = Gate()
    async with a_stage(crowd.handlers(), store) as stage:
        task_id = await stage.submit("crowd")
        async with a_worker(stage):
            await crowd.full()
            store.after["claims"] = gate
            store.lost["claim"] = 1
            await gate.reached()
            crowd.go.set()
            task = await stage.ended(task_id)
            gate.open()
            after = await stage.ran("crowd")

        assert (task.state, task.attempt) == (State.COMPLETED, 1)
        assert after.state is State.COMPLETED
        assert crowd.starts == 2


async def test_a_claim_that_comes_back_while_the_worker_closes_is_run() -> None:
    crowd, store = Crowd(), a_store()
    crowd.go.set()
    gate = Gate()
    async with a_stage(crowd.handlers(), store) as stage:
        task_id = await stage.submit("crowd")
        store.after["claim"] = gate
        async with a_worker(stage, grace=timedelta(seconds=20)) as worker:
            await gate.reached()
            worker.stop.set()
            gate.open()
            await worker.end()

        assert (await stage.now(task_id)).state is State.COMPLETED


async def test_a_worker_that_was_stopped_claims_no_more() -> None:
    crowd = Crowd()
    async with a_stage(crowd.handlers()) as stage:
        async with a_worker(stage, grace=timedelta(seconds=20)) as worker:
            await stage.submit("crowd")
            await crowd.full()
            worker.stop.set()
            late = await stage.submit("crowd")
            await asyncio.sleep(0)
            crowd.go.set()
            await worker.end()

        assert (await stage.now(late)).state is State.PENDING


async def test_a_fault_of_ours_costs_its_attempt_and_nothing_else() -> None:
    crowd, store = Crowd(), a_store()
    crowd.go.set()
    async with at_work(crowd.handlers(), store, sweeping=False) as stage:
        store.faults["apply"] = [ZeroDivisionError(), ZeroDivisionError()]
        broken = await stage.submit("crowd")
        facts = await stage.told.until("attempt.broken")
        task = await stage.ran("crowd")

        assert facts["task"] == str(broken)
        assert task.state is State.COMPLETED


async def test_a_fault_in_a_settle_with_others_costs_nothing() -> None:
    """What is not written with others is written once more, alone."""
    crowd, store = Crowd(), a_store()
    crowd.go.set()
    async with at_work(crowd.handlers(), store, sweeping=False) as stage:
        store.faults["apply"] = [ZeroDivisionError()]
        task = await stage.ran("crowd")

        assert (task.state, task.attempt) == (State.COMPLETED, 1)
        assert "attempt.broken" not in stage.told.names


@pytest.mark.mistake(30)
async def test_no_handler_starts_under_a_claim_that_was_lost_before() -> None:
    crowd, store = Crowd(), a_store()
    gate = Gate()
    async with a_stage(crowd.handlers(), store, lease=timedelta(milliseconds=300), sweeping=False) as stage:
        task_id = await stage.submit("crowd")
        store.after["claim"] = gate
        async with a_worker(stage):
            await gate.reached()
            claimed = await stage.now(task_id)
            lost = claimed._replace(state=State.CANCELLED, version=claimed.version + 1)
            await stage.store.tasks.apply([Change(claimed, lost)])
            await asyncio.sleep(0.2)  # more than half of the lease: the claim is not fresh any more
            gate.open()
            facts = await stage.told.until("lease.lost")

        assert facts["started"] is False
        assert crowd.starts == 0


async def test_a_wait_for_the_database_before_a_late_start_is_no_part_of_the_time_out() -> None:
    """A handler that began after it was ended at once, and its attempt failed by a time-out of nothing done."""
    store, claim, check = a_store(), Gate(), Gate()

    async def nap() -> None:
        await asyncio.sleep(0.01)

    async with a_stage(handlers_of(nap=nap), store, lease=timedelta(seconds=1), sweeping=False) as stage:
        task_id = await stage.submit("nap", timeout=timedelta(seconds=0.5), max_attempts=1)
        store.after["claim"], store.before["renew"] = claim, check
        async with a_worker(stage, lease_store=store.store):
            await claim.reached()
            await asyncio.sleep(0.6)  # more than half of the lease: the claim is not fresh any more
            claim.open()
            await check.reached()
            await asyncio.sleep(0.6)  # more than the time-out
            check.open()

            assert (await stage.ended(task_id)).state is State.COMPLETED


async def test_a_late_start_under_a_claim_that_holds_is_a_start() -> None:
    crowd, store, gate = Crowd(), a_store(), Gate()
    crowd.go.set()
    async with a_stage(crowd.handlers(), store, lease=timedelta(milliseconds=300), sweeping=False) as stage:
        task_id = await stage.submit("crowd")
        store.after["claim"] = gate
        async with a_worker(stage):
            await gate.reached()
            await asyncio.sleep(0.2)
            gate.open()
            task = await stage.ended(task_id)

        assert (task.state, task.attempt) == (State.COMPLETED, 1)
