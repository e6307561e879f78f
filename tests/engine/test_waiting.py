"""What is told of tasks and queues: the story, and why one waits."""

from datetime import timedelta

import pytest

from duly.domain.errors import (
    QueueNotFound,
)
from duly.domain.state import Reason, State
from duly.domain.stats import QueueState
from duly.domain.task import Task
from duly.engine.landscape import Landscape, View, Waiting
from duly.engine.overview import Overview
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.engine.wanting import HOUR, a_store, echo, finished
from tests.support.builders import a_histogram, a_running_task, a_task, a_worker
from tests.support.serving import handlers_of
from tests.support.stage import RealClock, a_stage


async def test_a_story_is_told_from_the_row_and_what_was_out_of_the_ordinary() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        task_id = await stage.submit("echo")
        await stage.tasks.cancel(task_id)

        assert [event.kind.value for event in await stage.tasks.story(task_id)] == ["submitted", "cancelled"]


async def test_why_a_task_waits_is_asked_only_for_those_that_do() -> None:
    store = a_store()
    async with a_stage(handlers_of(echo=echo), store, sweeping=False) as stage:
        pending, over = await stage.submit("echo"), await finished(stage)
        nothing = await stage.tasks.waiting([over])
        looked = store.calls["states"]

        found = await stage.tasks.waiting([await stage.now(pending), over])

        assert (nothing, looked) == ([None], 0)
        assert [why and why.reason for why in found] == ["no_worker", None]


PAUSED = QueueState("default", paused=True)
OPEN = QueueState("default", paused=False)


@pytest.mark.parametrize(
    ("task", "view", "reason"),
    [
        (a_task(state=State.SCHEDULED), View({}, ()), "not_due"),
        (a_task(state=State.SCHEDULED, reason=Reason.SNOOZED), View({}, ()), "not_due"),
        (a_task(state=State.SCHEDULED, reason=Reason.NO_HANDLER), View({}, ()), "no_handler"),
        (a_task(state=State.SCHEDULED, reason=Reason.HANDLER_ERROR), View({}, ()), "retry_wait"),
        (a_task(state=State.SCHEDULED, reason=Reason.TIMEOUT), View({}, ()), "retry_wait"),
        (a_task(state=State.SCHEDULED, reason=Reason.WORKER_LOST), View({}, ()), "retry_wait"),
        (a_task(), View({"default": PAUSED}, (a_worker(),)), "queue_paused"),
        (a_task(), View({"default": OPEN}, ()), "no_worker"),
        (a_task(), View({}, (a_worker(queues=("other",)),)), "no_worker"),
        (a_task(), View({"default": OPEN}, (a_worker(types=("other",)),)), "no_handler"),
        (a_task(), View({"default": OPEN}, (a_worker(),)), "behind_others"),
    ],
)
def test_the_true_reason_for_waiting_is_told(task: Task, view: View, reason: str) -> None:
    why = view.waiting(task)

    assert isinstance(why, Waiting)
    assert why.reason == reason
    assert why.until == (task.run_at if task.state is State.SCHEDULED else None)


def test_what_runs_or_has_ended_waits_for_nothing() -> None:
    view = View({}, ())

    assert (view.waiting(a_running_task()), view.waiting(a_task(state=State.FAILED))) == (None, None)


async def test_queues_are_shown_with_their_depths_and_rates() -> None:
    store = MemoryStore(MemoryDatabase(), RealClock())
    async with a_stage(handlers_of(echo=echo), store) as stage:
        overview = Overview(store, stage.herald, Landscape(store))
        await stage.submit("echo", queue="mail")
        await stage.submit("echo", queue="mail", delay=HOUR)
        await store.queues.declare(["empty"])
        now = store.clock.now()
        counts = [0, 6] + [0] * (len(a_histogram().waits) - 2)
        await store.queues.add_rates(
            [a_histogram(queue="mail", at=now, submitted=60, completed=6, waits=tuple(counts))]
        )

        mail = await overview.queue("mail")
        stats = await overview.stats(["mail", "unknown"])

        assert [queue.name for queue in await overview.queues()] == ["empty", "mail"]
        assert (mail.pending, mail.scheduled, mail.running, mail.paused) == (1, 1, 0, False)
        assert (mail.in_rate, mail.out_rate) == (1.0, 0.1)
        assert mail.oldest_pending_age is not None
        assert [one.queue.name for one in stats.queues] == ["mail", "unknown"]
        assert stats.queues[0].wait_p50 == timedelta(milliseconds=2)
        assert (stats.queues[1].queue.pending, stats.queues[1].wait_p50) == (0, None)
        assert len((await overview.stats()).queues) == 2
        assert await overview.workers() == []


async def test_a_pause_is_seen_at_once_and_holds_back_its_queue() -> None:
    store = MemoryStore(MemoryDatabase(), RealClock())
    async with a_stage(handlers_of(echo=echo), store) as stage:
        overview = Overview(store, stage.herald, Landscape(store))
        await stage.submit("echo")
        await overview.queues()

        paused = await overview.pause("default", paused=True)
        claimed = await store.tasks.claim("default", 1, a_worker().id, HOUR)
        resumed = await overview.pause("default", paused=False)

        assert (paused.paused, claimed, resumed.paused) == (True, [], False)
        with pytest.raises(QueueNotFound):
            await overview.pause("nowhere", paused=True)
        with pytest.raises(QueueNotFound):
            await overview.queue("nowhere")
