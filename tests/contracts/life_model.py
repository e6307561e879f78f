"""Many workers, one clock, lost leases, late settles: any order of them, on a store and on memory side by side."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from duly.domain import fact as facts
from duly.domain.errors import ClaimLost, IllegalMove, KeyTaken
from duly.domain.fact import Fact, WorkerFact
from duly.domain.state import State
from duly.domain.story import tell
from duly.domain.task import ClaimToken, Task, TaskId, WorkerId
from duly.domain.transition import decide
from duly.ports.store import Renewal, Retention, Store
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from duly.testing.clock import FakeClock
from tests.contracts.places import Place
from tests.support.builders import LEASE, NOON, a_failure, a_task

R = TypeVar("R")
SECOND = timedelta(seconds=1)
KEPT = Retention(done=timedelta(hours=1), failed=timedelta(hours=2), queues={"short": timedelta(minutes=5)})

QUEUES = st.sampled_from(["default", "short"])
WORKERS = st.sampled_from([WorkerId("w1"), WorkerId("w2"), WorkerId("w3")])
WAITS = st.sampled_from([timedelta(), SECOND, LEASE])
PICKS = st.integers(0, 1_000)
SETTLES: dict[str, Callable[[ClaimToken, timedelta], WorkerFact]] = {
    "returned": lambda token, _: facts.Returned(token, '"done"'),
    "raised": lambda token, wait: facts.Raised(token, a_failure(), wait),
    "failed": lambda token, _: facts.Raised(token, a_failure(), None),
    "snoozed": facts.Snoozed,
    "interrupted": lambda token, _: facts.Interrupted(token),
    "stopped": lambda token, _: facts.Stopped(token),
    "unhandled": facts.Unhandled,
    "died": lambda token, wait: facts.ProcessDied(token, a_failure(), wait),
}


@dataclass(frozen=True)
class Claim:
    """What a worker keeps of a task that it claimed: the task as each of the two stores gave it."""

    worker: WorkerId
    subject: Task
    oracle: Task

    @property
    def id(self) -> TaskId:
        return self.subject.id


class LifeModel(RuleBasedStateMachine):
    """Every rule does the same to both stores and compares what they answer; the invariants hold after each."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        place.empty()
        self._runner = asyncio.Runner()
        self._clock = FakeClock(NOON)
        self._subject: Store = self._runner.run(place.open(self._clock))
        self._oracle: Store = MemoryStore(MemoryDatabase(), self._clock)
        self._ids: list[TaskId] = []
        self._claims: list[Claim] = []
        self._holder: dict[TaskId, ClaimToken] = {}
        self._before: dict[TaskId, Task] = {}
        self._by_hand: set[TaskId] = set()

    def teardown(self) -> None:
        try:
            for task in self._before.values():
                self._compare_stories(task)
        finally:
            self._run(self._subject.close())
            self._runner.close()

    def _compare_stories(self, task: Task) -> None:
        told, expected = self._both(lambda store: store.history.events(task.id))
        assert told == expected
        assert [event.version for event in tell(task, told)] == list(range(1, task.version + 1))

    @initialize()
    def declare(self) -> None:
        self._both(lambda store: store.queues.declare(["default", "short"]))

    @rule(
        queue=QUEUES,
        priority=st.integers(0, 2),
        delay=WAITS,
        expires=st.sampled_from([None, None, timedelta(minutes=1)]),
        key=st.sampled_from([None, None, "a", "b"]),
        max_attempts=st.integers(1, 3),
    )
    def submit(
        self,
        *,
        queue: str,
        priority: int,
        delay: timedelta,
        expires: timedelta | None,
        key: str | None,
        max_attempts: int,
    ) -> None:
        now = self._clock.now()
        task = a_task(
            queue=queue,
            priority=priority,
            created_at=now,
            run_at=now + delay,
            state=State.SCHEDULED if delay else State.PENDING,
            expires_at=None if expires is None else now + expires,
            key=key,
            max_attempts=max_attempts,
        )
        stored, expected = self._both(lambda store: store.tasks.add([task]))
        assert [one.id for one in stored] == [one.id for one in expected]
        self._ids.append(task.id)

    @rule(queue=QUEUES, worker=WORKERS, limit=st.integers(1, 3))
    def claim(self, queue: str, worker: WorkerId, limit: int) -> None:
        taken, expected = self._both(lambda store: store.tasks.claim(queue, limit, worker, LEASE))
        assert [task.id for task in taken] == [task.id for task in expected]
        for task, twin in zip(taken, expected, strict=True):
            assert self._before[task.id].state is State.PENDING
            self._claims.append(Claim(worker, task, twin))
            self._holder[task.id] = task.claim

    @precondition(lambda self: self._claims)
    @rule(worker=WORKERS, progress=st.sampled_from([None, "0.1", "0.9"]))
    def renew(self, worker: WorkerId, progress: str | None) -> None:
        mine = [claim for claim in self._claims if claim.worker == worker]
        latest = {claim.id: claim for claim in mine}.values()
        held = self._run(self._subject.tasks.renew([Renewal(c.id, c.subject.claim, progress) for c in latest], LEASE))
        expected = self._run(self._oracle.tasks.renew([Renewal(c.id, c.oracle.claim, progress) for c in latest], LEASE))
        assert held == expected
        assert all(self._holder[id_] == next(c for c in latest if c.id == id_).subject.claim for id_ in held)

    @precondition(lambda self: self._claims)
    @rule(pick=PICKS, how=st.sampled_from(sorted(SETTLES)), wait=WAITS, forget=st.booleans())
    def settle(self, pick: int, how: str, wait: timedelta, forget: bool) -> None:
        """Whatever has become of the claim since: a claim that is lost settles nothing."""
        claim = self._claims[pick % len(self._claims)]
        done = self._run(self._settle(self._subject, claim.subject, SETTLES[how](claim.subject.claim, wait)))
        expected = self._run(self._settle(self._oracle, claim.oracle, SETTLES[how](claim.oracle.claim, wait)))
        assert done == expected
        if done:
            assert self._holder.get(claim.id) == claim.subject.claim
            del self._holder[claim.id]
        if forget:
            self._claims.remove(claim)

    async def _settle(self, store: Store, seen: Task, fact: WorkerFact) -> bool:
        """What a worker does: decide from what it knows, and again from what is there when it lost the race."""
        for _ in range(3):
            try:
                change = decide(seen, fact, self._clock.now())
            except ClaimLost:
                return False
            assert change is not None
            if not await store.tasks.apply([change]):
                assert change.made((await store.tasks.get([seen.id]))[seen.id])
                assert await store.tasks.apply([change]) == [change]
                return True
            current = await store.tasks.get([seen.id])
            if seen.id not in current:
                return False
            seen = current[seen.id]
        raise AssertionError("the race was lost three times, and nobody else was running")

    @precondition(lambda self: self._before)
    @rule(pick=PICKS, what=st.sampled_from(["cancel", "retry", "run now"]))
    def operate(self, pick: int, what: str) -> None:
        """By hand."""
        ids = sorted(self._before)
        id_ = ids[pick % len(ids)]
        fact = {"cancel": facts.CancelAsked(), "retry": facts.RetriedByHand(), "run now": facts.RunNow()}[what]
        lost, expected = self._decide_both(id_, fact)
        assert lost == expected
        if what == "retry":
            self._by_hand.add(id_)

    @rule(state=st.sampled_from([State.SCHEDULED, State.PENDING, State.RUNNING]), wait=WAITS, late=st.booleans())
    def sweep(self, state: State, wait: timedelta, late: bool) -> None:
        """``late``: between the sweep's look and its write each worker that still holds its claim renews it."""
        found, expected = self._both(lambda store: store.tasks.overdue(state, 100))
        assert _bare(found) == _bare(expected)
        renewed = self._renew_late({task.id for task in found}) if late else set()
        twins = {task.id: task for task in expected}
        for task in found:
            lost = self._run(self._take(self._subject, task, wait))
            assert lost == self._run(self._take(self._oracle, twins[task.id], wait)) == (task.id in renewed)
            if not lost:
                self._holder.pop(task.id, None)

    async def _take(self, store: Store, seen: Task, wait: timedelta) -> bool:
        """Write what follows for an overdue task as it was seen; whether that lost the race."""
        expired = seen.expires_at is not None and seen.expires_at <= self._clock.now()
        waiting = facts.Expired() if expired else facts.Due()
        change = decide(seen, facts.LeaseExpired(wait) if seen.state is State.RUNNING else waiting, self._clock.now())
        assert change is not None
        return await store.tasks.apply([change]) == [change]

    def _renew_late(self, ids: set[TaskId]) -> set[TaskId]:
        holding = [c for c in self._claims if c.id in ids and self._holder.get(c.id) == c.subject.claim]
        self._run(self._subject.tasks.renew([Renewal(c.id, c.subject.claim) for c in holding], LEASE))
        self._run(self._oracle.tasks.renew([Renewal(c.id, c.oracle.claim) for c in holding], LEASE))
        return {claim.id for claim in holding}

    @rule(step=st.sampled_from([timedelta(), SECOND, LEASE / 2, LEASE, timedelta(minutes=10), timedelta(hours=1)]))
    def wait(self, step: timedelta) -> None:
        self._clock.advance(step)

    @rule(queue=QUEUES, paused=st.booleans())
    def pause(self, queue: str, paused: bool) -> None:
        state, expected = self._both(lambda store: store.queues.pause(queue, paused=paused))
        assert state.paused == expected.paused == paused

    @rule()
    def purge(self) -> None:
        gone, expected = self._both(lambda store: store.history.purge(KEPT, 100))
        assert gone == expected

    @invariant()
    def both_stores_tell_the_same(self) -> None:
        now, expected = self._both(lambda store: store.tasks.get(self._ids))
        assert _bare(now.values()) == _bare(expected.values())
        gone, forgotten = self._both(lambda store: store.history.purged(self._ids))
        assert gone == forgotten
        depths, counted = self._both(lambda store: store.queues.depths())
        assert depths == counted
        self._check_steps(now, gone)
        self._before, self._by_hand = now, set()

    def _check_steps(self, now: dict[TaskId, Task], gone: set[TaskId]) -> None:
        for id_, before in self._before.items():
            if id_ in gone:
                assert before.final
                continue
            after = now[id_]
            assert after.version >= before.version
            assert after.attempt >= before.attempt
            assert (after.version, after.progress_seq) >= (before.version, before.progress_seq)
            assert after == before or not before.final or id_ in self._by_hand
        live_keys = [(task.type, task.key) for task in now.values() if task.key is not None and not task.final]
        assert len(set(live_keys)) == len(live_keys)
        running = {task.id: task.token for task in now.values() if task.state is State.RUNNING}
        assert running == self._holder

    def _decide_both(self, id_: TaskId, fact: Fact) -> tuple[object, object]:
        """What becomes of the fact in each store: the ids of those that lost, or the error's code."""
        return self._both(lambda store: self._decide(store, id_, fact))

    async def _decide(self, store: Store, id_: TaskId, fact: Fact) -> object:
        seen = await store.tasks.get([id_])
        try:
            change = decide(seen[id_], fact, self._clock.now())
            lost = await store.tasks.apply([] if change is None else [change])
        except (IllegalMove, KeyTaken) as error:
            return error.code
        return [one.before.id for one in lost]

    def _both(self, ask: Callable[[Store], Awaitable[R]]) -> tuple[R, R]:
        return self._run(ask(self._subject)), self._run(ask(self._oracle))

    def _run(self, awaitable: Awaitable[R]) -> R:
        async def awaited() -> R:
            return await awaitable

        return self._runner.run(awaited())


def _bare(tasks: Iterable[Task]) -> list[str]:
    """Rows without their tokens, which differ from store to store, as text that can be sorted."""
    return sorted(repr(task._replace(token=None)) for task in tasks)
