"""A worker that is handed ids, and that may end its process as a last resort."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from duly.domain.errors import StoreUnavailable
from duly.domain.retry import Retry
from duly.domain.state import Reason, State
from duly.engine import call, run
from duly.engine.handed import Handed
from duly.engine.handlers import Handlers
from duly.engine.intake import Around, Demand, Start
from tests.support.outage import Outage
from tests.support.serving import a_type
from tests.support.stage import Stage, a_stage, a_worker


def handlers_of(body: object, **given: object) -> Handlers:
    handlers = Handlers()
    handlers.add(a_type("work", body, retry=Retry(max_attempts=1), **given))
    return handlers


@asynccontextmanager
async def handing(stage: Stage, **given: object) -> AsyncIterator[Handed]:
    """A worker that takes nothing by itself."""
    opened: asyncio.Future[Handed] = asyncio.get_running_loop().create_future()

    def intake(around: Around, demand: Demand, start: Start) -> Handed:
        handed = Handed(around, demand, start)
        opened.set_result(handed)
        return handed

    async with a_worker(stage, intake=intake, **given):
        yield await opened


async def test_it_runs_what_it_is_handed_once_and_looks_for_nothing():
    async def work() -> str:
        return "done"

    async with a_stage(handlers_of(work)) as stage, handing(stage) as handed:
        left, given = await stage.submit("work"), await stage.submit("work")

        assert await handed.take("default", given)
        assert not await handed.take("default", given)
        assert (await stage.ended(given)).result == '"done"'
        assert (await stage.now(left)).state is State.PENDING
        assert (handed.busy, handed.started) == (0, 1)


async def test_after_it_was_closed_it_takes_nothing_and_ends_when_the_last_attempt_has():
    begun, go = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go.wait()

    async with a_stage(handlers_of(work)) as stage, handing(stage) as handed:
        first, second = await stage.submit("work"), await stage.submit("work")
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(handed.take("default", first))
            await begun.wait()
            handed.close()

            assert handed.busy == 1
            assert not await handed.take("default", second)
            go.set()
            assert await taking
        assert (await stage.ended(first)).state is State.COMPLETED


async def test_a_claim_whose_answer_was_lost_is_found_and_run(monkeypatch):
    async def work() -> str:
        return "done"

    async with a_stage(handlers_of(work)) as stage, handing(stage) as handed:
        claim = stage.store.tasks.claim

        async def lost(*args: object, **given: object) -> object:
            await claim(*args, **given)
            raise StoreUnavailable("the answer was lost")

        task = await stage.submit("work")
        handed._store = _With(stage.store, lost)

        assert await handed.take("default", task)
        assert (await stage.ended(task)).attempt == 1


async def test_a_claim_whose_answer_was_lost_is_begun_once_whoever_finds_it_late():
    """Two messages of one task came in an outage: the second found the claim as it was before the first had ended."""
    runs: list[str] = []
    ended = asyncio.Event()

    async def work() -> None:
        runs.append("run")

    async with a_stage(handlers_of(work)) as stage, handing(stage) as handed:
        task = await stage.submit("work")
        store = Outage(stage.store)
        handed._store = store
        store.lost["claim"] = 2
        first = asyncio.create_task(handed.take("default", task))
        store.after["claims"] = _Late(ended)
        second = asyncio.create_task(handed.take("default", task))

        await first
        await stage.ended(task)
        ended.set()
        await second

        assert runs == ["run"]


async def test_a_thread_that_goes_on_after_its_cancel_is_settled_and_its_process_ended(monkeypatch):
    monkeypatch.setattr(call, "COOPERATION", timedelta(milliseconds=50))
    monkeypatch.setattr(run, "COOPERATION", timedelta(milliseconds=50))
    begun, go, resorted = threading.Event(), threading.Event(), asyncio.Event()

    def work() -> None:
        begun.set()
        go.wait(20)

    async def last_resort() -> None:
        resorted.set()
        go.set()

    async with a_stage(handlers_of(work)) as stage, a_worker(stage, last_resort=last_resort):
        task = await stage.submit("work")
        assert await asyncio.to_thread(begun.wait, 20)
        await stage.tasks.cancel(task)

        assert (await stage.ended(task)).state is State.CANCELLED
        await asyncio.wait_for(resorted.wait(), 20)


async def test_a_thread_that_ends_soon_after_its_time_out_keeps_its_process(monkeypatch):
    monkeypatch.setattr(run, "COOPERATION", timedelta(minutes=1))
    resorted, go = asyncio.Event(), threading.Event()

    def work() -> None:
        go.wait(20)

    async def last_resort() -> None:
        resorted.set()

    handlers = handlers_of(work, timeout=timedelta(milliseconds=50))
    async with a_stage(handlers) as stage, a_worker(stage, last_resort=last_resort):
        task = await stage.submit("work")
        ended = await stage.ended(task)
        go.set()

    assert (ended.state, ended.reason) == (State.FAILED, Reason.TIMEOUT)
    assert not resorted.is_set()


class _With:
    """A store whose claims go elsewhere."""

    def __init__(self, store: object, claim: object) -> None:
        self.roster = store.roster
        self.tasks = self
        self.claim = claim
        self.renew = store.tasks.renew


class _Late:
    """Lets the first call pass, and has the others wait."""

    def __init__(self, until: asyncio.Event) -> None:
        self._until = until
        self._calls = 0

    async def __call__(self) -> None:
        self._calls += 1
        if self._calls > 1:
            await self._until.wait()
