"""The end of a claim: deciding what follows from a fact and writing it, fenced by the claim."""

from collections.abc import Callable, Sequence
from datetime import datetime

from duly.domain.errors import ClaimLost, DulyError, RowInvalid
from duly.domain.event import Kind, TaskEvent
from duly.domain.fact import Returned, Unstorable, WorkerFact
from duly.domain.failure import Failure
from duly.domain.state import Reason, State
from duly.domain.task import Task
from duly.domain.transition import Change, decide
from duly.engine.gather import Gather
from duly.engine.herald import Herald
from duly.engine.patience import patiently
from duly.engine.running import with_progress
from duly.ports.clock import Clock
from duly.ports.store import Store
from duly.ports.telemetry import Emit


class Settler:
    """Settles that come together are written together. While the database is away they wait: a result is not lost."""

    def __init__(self, store: Store, herald: Herald, emit: Emit) -> None:
        self._store = store
        self._clock: Clock = store.clock
        self._herald = herald
        self._emit = emit
        self._applying = Gather[Change, bool](self._apply, _size)

    async def run(self) -> None:
        """Write until cancelled."""
        await self._applying.run()

    async def settle(self, task: Task, fact: WorkerFact, progress: str | None = None) -> Task | None:
        """The task as this fact left it, once that is committed; None when the claim was lost and it was refused.

        ``progress`` is the attempt's last one, if no sign of life has carried it yet. What the database refuses to keep
        fails the task. Raises RowInvalid when it refuses even that.
        """
        try:
            change = self._decided(task, fact, progress)
            return change.after if await self._applying(change) else await self._again(change, fact, progress)
        except ClaimLost:
            await self._refused(task, fact)
            return None
        except RowInvalid as error:
            if isinstance(fact, Unstorable):
                raise
            return await self.settle(task, _unstorable(task, error))

    def post(self, task: Task, fact: Returned, progress: str | None, settled: Callable[[Task | None], None]) -> None:
        """Settle what a handler returned; nobody waits, but ``settled`` is told, in the event loop.

        With the task as it is once that is committed; with None when it was not written, for whatever reason: then
        ``settle`` finds out why. Raises StoreUnavailable when this closes.
        """
        change = self._decided(task, fact, progress)
        self._applying.post(change, _Posted(change.after, settled))

    async def settled_inside(self, task: Task) -> Task | None:
        """The task, if a transaction of its handler's own has completed it under this claim. Who waits is told."""
        current = await self._read(task)
        if current is None or current.token != task.token or current.state is not State.COMPLETED:
            return None
        self._herald.changed(current)
        return current

    async def _read(self, task: Task) -> Task | None:
        """The task as it is now, or None when it is gone; waits for the database."""
        found = await patiently(lambda: self._store.tasks.get([task.id]), None)
        return found.get(task.id)

    def _decided(self, task: Task, fact: WorkerFact, progress: str | None) -> Change:
        decided = decide(task, fact, self._clock.now())
        assert decided is not None  # noqa: S101  # only a cancel can change nothing
        return with_progress(decided, progress)

    async def _again(self, change: Change, fact: WorkerFact, progress: str | None) -> Task:
        """The change did not fit the row: look at it, and decide again while the claim holds."""
        while True:
            current = await self._read(change.before)
            if current is None:
                raise ClaimLost(change.before.id)
            if change.made(current):
                self._herald.changed(current)
                return current
            change = self._decided(current, fact, progress)
            if await self._applying(change):
                return change.after

    async def _apply(self, changes: Sequence[Change]) -> list[bool]:
        """Write them, and tell those who wait. Which were written."""
        lost = await patiently(lambda: self._store.tasks.apply(changes), None)
        losers = {id(change) for change in lost}
        written = [id(change) not in losers for change in changes] if lost else [True] * len(changes)
        self._herald.changed(*[change.after for change, is_written in zip(changes, written, strict=True) if is_written])
        return written

    async def _refused(self, task: Task, fact: WorkerFact) -> None:
        outcome = type(fact).__name__
        facts = {"task": str(task.id), "type": task.type, "attempt": task.attempt, "outcome": outcome}
        self._emit("write.refused", facts)
        event = _refusal(task, outcome, self._clock.now())
        try:
            await self._store.history.record([event])
        except DulyError as error:
            self._emit("event.unrecorded", facts | {"error": str(error)})


class _Posted:
    """An Answer."""

    __slots__ = ("_after", "_settled")

    def __init__(self, after: Task, settled: Callable[[Task | None], None]) -> None:
        self._after = after
        self._settled: Callable[[Task | None], None] | None = settled

    def done(self) -> bool:
        return self._settled is None

    def set_result(self, result: bool, /) -> None:
        settled, self._settled = self._settled, None
        if settled is not None:
            settled(self._after if result else None)

    def set_exception(self, _exception: Exception, /) -> None:
        self.set_result(False)


def _refusal(task: Task, outcome: str, now: datetime) -> TaskEvent:
    return TaskEvent(
        task_id=task.id,
        version=task.version,
        at=now,
        kind=Kind.WRITE_REFUSED,
        attempt=task.attempt,
        worker=task.worker,
        detail={"outcome": outcome},
    )


def _unstorable(task: Task, error: RowInvalid) -> Unstorable:
    failure = Failure("ResultInvalid", f"The database refuses what the handler left: {error}")
    return Unstorable(task.claim, failure, Reason.RESULT_INVALID)


def _size(change: Change) -> int:
    _, after, _, adds, _ = change
    size = len(after.result or "") + len(after.error or "")
    return size + sum(len(task.payload) for task in adds) if adds else size
