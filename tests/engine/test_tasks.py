"""Everything that may be asked of tasks and queues from outside."""

import asyncio
from datetime import timedelta

import pytest

from duly.domain.errors import (
    IllegalMove,
    Invalid,
    KeyTaken,
    StoreUnavailable,
    TaskNotFound,
    TaskPurged,
    TooLarge,
    UnknownType,
)
from duly.domain.query import TaskQuery
from duly.domain.state import State
from duly.domain.transition import Change
from tests.engine.wanting import HOUR, a_store, echo, finished, wanted
from tests.support.builders import a_task_id
from tests.support.outage import Gate
from tests.support.serving import handlers_of
from tests.support.stage import a_stage


@pytest.mark.mistake(2)
async def test_a_submit_is_answered_after_its_commit() -> None:
    store, gate = a_store(), Gate()
    async with a_stage(handlers_of(echo=echo), store, sweeping=False) as stage:
        store.before["add"] = gate
        submitting = asyncio.create_task(stage.tasks.submit(wanted()))
        await gate.reached()
        early = submitting.done()
        gate.open()
        accepted = await submitting

        assert early is False
        assert (await stage.now(accepted.task.id)) == accepted.task


async def test_submits_that_come_together_share_a_commit() -> None:
    store, gate = a_store(), Gate()
    async with a_stage(handlers_of(echo=echo), store, sweeping=False) as stage:
        store.before["add"] = gate
        submitting = [asyncio.create_task(stage.tasks.submit(wanted())) for _ in range(100)]
        await gate.reached()
        gate.open()
        accepted = [await one for one in submitting]

        assert len({one.task.id for one in accepted}) == 100
        assert store.calls["add"] <= 3


@pytest.mark.mistake(1)
async def test_a_submit_whose_answer_was_lost_is_repeated_and_makes_one_task() -> None:
    store = a_store()
    store.lost["add"] = 1
    async with a_stage(handlers_of(echo=echo), store, sweeping=False) as stage:
        accepted = await stage.tasks.submit(wanted())
        page = await stage.tasks.page(TaskQuery())

        assert accepted.created
        assert [task.id for task in page.tasks] == [accepted.task.id]


async def test_a_submit_while_the_store_is_away_is_given_up_after_its_patience() -> None:
    store = a_store()
    async with a_stage(handlers_of(echo=echo), store, sweeping=False) as stage:
        store.away = True
        with pytest.raises(StoreUnavailable):
            await stage.tasks.submit(wanted())


async def test_a_key_gives_one_live_task() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        first = await stage.tasks.submit(wanted(key="k"))
        second = await stage.tasks.submit(wanted(key="k"))

        assert (first.created, second.created) == (True, False)
        assert second.task.id == first.task.id


async def test_a_batch_is_all_or_none_and_names_each_flaw_by_its_item() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        with pytest.raises(Invalid) as caught:
            await stage.tasks.submit_many([wanted(), wanted(payload={"text": 1}), wanted(type="nothing")])

        assert [flaw.pointer for flaw in caught.value.flaws] == ["/tasks/1/payload/text", "/tasks/2/type"]
        assert (await stage.tasks.page(TaskQuery())).tasks == ()
        assert len(await stage.tasks.submit_many([wanted(), wanted()])) == 2
        with pytest.raises(TooLarge):
            await stage.tasks.submit_many([])


async def test_reads_that_come_together_share_a_look() -> None:
    store, gate = a_store(), Gate()
    async with a_stage(handlers_of(echo=echo), store, sweeping=False) as stage:
        task_id = await stage.submit("echo")
        store.before["get"] = gate
        reading = [asyncio.create_task(stage.tasks.get(task_id)) for _ in range(100)]
        await gate.reached()
        gate.open()

        assert {(await one).id for one in reading} == {task_id}
        assert store.calls["get"] <= 3


@pytest.mark.mistake(38)
async def test_what_was_never_there_and_what_is_gone_are_told_apart() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        task = await finished(stage)
        await stage.tasks.delete(task.id)

        with pytest.raises(TaskPurged):
            await stage.tasks.get(task.id)
        with pytest.raises(TaskNotFound):
            await stage.tasks.get(a_task_id(1))


async def test_a_wait_for_a_task_that_ended_answers_at_once_and_one_without_time_answers_as_it_is() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        task = await finished(stage)
        pending = await stage.submit("echo")

        assert (await stage.tasks.wait(task.id, HOUR)).state is State.CANCELLED
        assert (await stage.tasks.wait(pending, timedelta())).state is State.PENDING
        assert (await stage.tasks.wait(pending, timedelta(milliseconds=20))).state is State.PENDING


async def test_a_task_that_is_deleted_while_somebody_waits_is_gone() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        task_id = await stage.submit("echo")
        waiting = asyncio.create_task(stage.tasks.wait(task_id, HOUR))
        await asyncio.sleep(0)
        database = stage.store.tasks._database
        database.purged[task_id] = stage.store.clock.now()
        del database.tasks[task_id]

        with pytest.raises(TaskPurged):
            await waiting


@pytest.mark.mistake(14)
async def test_a_cancel_ends_what_waits_and_answers_the_same_again() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        task_id = await stage.submit("echo")
        waiting = asyncio.create_task(stage.tasks.wait(task_id, HOUR))

        answers = [await stage.tasks.cancel(task_id), await stage.tasks.cancel(task_id)]

        assert [task.state for task in answers] == [State.CANCELLED] * 2
        assert (await waiting).state is State.CANCELLED
        with pytest.raises(IllegalMove):
            await stage.tasks.cancel((await finished(stage, State.COMPLETED)).id)


async def test_a_move_that_lost_its_race_is_decided_again() -> None:
    store = a_store()
    async with a_stage(handlers_of(echo=echo), store, sweeping=False) as stage:
        task_id = await stage.submit("echo")
        raced: list[int] = []

        async def race() -> None:
            if not raced:
                raced.append(1)
                task = await store.store.tasks.get([task_id])
                current = task[task_id]
                await store.store.tasks.apply([Change(current, current._replace(version=current.version + 1))])

        store.before["apply"] = race

        assert (await stage.tasks.cancel(task_id)).state is State.CANCELLED
        assert (await stage.now(task_id)).state is State.CANCELLED


async def test_a_task_that_changes_all_the_time_cannot_be_moved_now() -> None:
    store = a_store()
    async with a_stage(handlers_of(echo=echo), store, sweeping=False) as stage:
        task = await finished(stage)

        async def race() -> None:
            current = (await store.store.tasks.get([task.id]))[task.id]
            await store.store.tasks.apply([Change(current, current._replace(version=current.version + 1))])

        store.before["apply"] = race
        store.before["delete"] = race

        with pytest.raises(StoreUnavailable, match="moved"):
            await stage.tasks.retry(task.id)
        with pytest.raises(StoreUnavailable, match="deleted"):
            await stage.tasks.delete(task.id)


@pytest.mark.mistake(29)
async def test_a_retry_by_hand_begins_from_the_start_and_may_bring_another_payload() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        task = await finished(stage, State.FAILED)

        again = await stage.tasks.retry(task.id, {"text": "new"})

        assert (again.state, again.payload, again.failures) == (State.PENDING, '{"text":"new"}', 0)
        with pytest.raises(IllegalMove):
            await stage.tasks.retry(task.id)


async def test_a_retry_with_a_payload_that_does_not_fit_changes_nothing() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        task = await finished(stage, State.FAILED)
        with pytest.raises(Invalid):
            await stage.tasks.retry(task.id, {"text": 7})
        stage.handlers._types.clear()
        with pytest.raises(UnknownType):
            await stage.tasks.retry(task.id, {"text": "new"})

        assert (await stage.now(task.id)).state is State.FAILED


async def test_a_retry_whose_key_lives_elsewhere_is_refused() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        task = await finished(stage, State.FAILED, key="k")
        await stage.tasks.submit(wanted(key="k"))

        with pytest.raises(KeyTaken):
            await stage.tasks.retry(task.id)


async def test_only_what_has_ended_can_be_deleted() -> None:
    async with a_stage(handlers_of(echo=echo)) as stage:
        with pytest.raises(IllegalMove):
            await stage.tasks.delete(await stage.submit("echo"))
