"""TaskStore.apply: fenced by id, version and token, all or nothing, with events and further tasks."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from duly.domain import fact as facts
from duly.domain.errors import RowInvalid
from duly.domain.event import Kind
from duly.domain.state import Reason, State
from duly.domain.transition import decide
from duly.ports.store import Renewal
from tests.support.builders import LEASE, NOON, a_failure, a_task, a_token, an_event
from tests.support.moves import a_change, added, claims, decided, ended, kinds_of, now_stored, running

WAIT = timedelta(seconds=90, microseconds=1)

SETTLES = {
    "returned": lambda token: facts.Returned(token, '{"text": "\\u0000\\ud83d\\ude00"}'),
    "raised": lambda token: facts.Raised(token, a_failure(message="né \0 \ud800", traceback="…"), WAIT),
    "timed out": lambda token: facts.Raised(token, a_failure(), WAIT, Reason.TIMEOUT),
    "failed": lambda token: facts.Raised(token, a_failure(), None),
    "unstorable": lambda token: facts.Unstorable(token, a_failure(), Reason.RESULT_INVALID),
    "snoozed": lambda token: facts.Snoozed(token, WAIT),
    "interrupted": facts.Interrupted,
    "stopped": facts.Stopped,
    "unhandled": lambda token: facts.Unhandled(token, WAIT),
    "died": lambda token: facts.ProcessDied(token, a_failure(), WAIT),
    "lease expired": lambda _: facts.LeaseExpired(WAIT),
    "cancel asked": lambda _: facts.CancelAsked(),
}


@pytest.mark.parametrize("name", SETTLES)
@pytest.mark.mistake(24)
async def test_the_row_becomes_what_was_decided(store, clock, name):
    task = await running(store, failures=1, crashes=1, key="k", tags=("t",), error='{"type": "Old"}')
    clock.advance(LEASE)
    change = a_change(store, task, SETTLES[name](task.claim))

    assert await store.tasks.apply([change]) == []
    assert await now_stored(store, task) == change.after
    assert await store.history.events(task.id) == list(change.events)


@pytest.mark.parametrize(
    "fact", [facts.Due(), facts.RunNow(), facts.Expired(), facts.CancelAsked(), facts.RetriedByHand('"new"')]
)
async def test_a_waiting_row_becomes_what_was_decided(store, clock, fact):
    task = await added(
        store, state=State.SCHEDULED, run_at=NOON, expires_at=NOON, failures=2, reason=Reason.HANDLER_ERROR
    )
    clock.advance(LEASE)
    change = a_change(store, task, fact)

    assert await store.tasks.apply([change]) == []
    assert await now_stored(store, task) == change.after
    assert await store.history.events(task.id) == list(change.events)


async def test_applying_nothing_changes_nothing(store):
    assert await store.tasks.apply([]) == []


async def test_a_full_batch_of_different_outcomes_is_written_at_once(store, clock):
    await store.tasks.add([a_task() for _ in range(500)])
    tasks = await claims(store, limit=500)
    clock.advance(LEASE)
    kinds = list(SETTLES.values())
    changes = [a_change(store, task, kinds[n % len(kinds)](task.claim)) for n, task in enumerate(tasks)]

    assert await store.tasks.apply(changes) == []
    assert await store.tasks.get([t.id for t in tasks]) == {change.after.id: change.after for change in changes}


async def test_a_full_batch_of_completions_is_written_at_once(store):
    await store.tasks.add([a_task() for _ in range(500)])
    tasks = await claims(store, limit=500)
    changes = [a_change(store, task, facts.Returned(task.claim, f'"{n}"')) for n, task in enumerate(tasks)]

    assert await store.tasks.apply(changes) == []
    assert await store.tasks.get([t.id for t in tasks]) == {change.after.id: change.after for change in changes}


@pytest.mark.mistake(22)
async def test_a_stale_version_loses_and_writes_nothing(store):
    task = await running(store)
    stale = a_change(store, task, facts.Returned(task.claim, '"late"'))
    current = await decided(store, task, facts.CancelAsked())

    assert await store.tasks.apply([stale]) == [stale]
    assert await now_stored(store, task) == current


@pytest.mark.mistake(23)
async def test_another_token_of_the_same_attempt_and_version_loses(store):
    """After a crash of a database that forgot a claim, the same attempt number is given out again."""
    task = await running(store)
    forgotten = task._replace(token=a_token())
    change = a_change(store, forgotten, facts.Raised(forgotten.claim, a_failure(), None))

    assert await store.tasks.apply([change]) == [change]
    assert await now_stored(store, task) == task
    assert await kinds_of(store, task) == []


async def test_a_completion_under_another_token_loses(store):
    task = await running(store)
    forgotten = task._replace(token=a_token())
    change = a_change(store, forgotten, facts.Returned(forgotten.claim, "1"))

    assert await store.tasks.apply([change]) == [change]
    assert await now_stored(store, task) == task


async def test_the_same_version_without_its_token_loses(store):
    task = await running(store)
    unclaimed = task._replace(token=None, state=State.PENDING)
    change = a_change(store, unclaimed, facts.CancelAsked())

    assert await store.tasks.apply([change]) == [change]
    assert await now_stored(store, task) == task


async def test_a_task_that_is_gone_loses(store):
    task = await ended(store, State.FAILED)
    change = a_change(store, task, facts.RetriedByHand())
    assert await store.history.delete(task)

    assert await store.tasks.apply([change]) == [change]
    assert await store.tasks.get([task.id]) == {}


async def test_losers_are_returned_in_order_and_winners_are_written(store):
    tasks = [await running(store) for _ in range(6)]
    changes = [a_change(store, task, facts.Returned(task.claim, "1")) for task in tasks]
    for task in tasks[::2]:
        await decided(store, task, facts.CancelAsked())

    lost = await store.tasks.apply(changes[::-1])

    assert lost == [changes[4], changes[2], changes[0]]
    stored = await store.tasks.get([task.id for task in tasks])
    assert [stored[task.id].state for task in tasks] == [State.RUNNING, State.COMPLETED] * 3


async def test_nothing_of_a_loser_is_written(store):
    task = await running(store)
    child = a_task()
    change = a_change(store, task, facts.Raised(task.claim, a_failure(), None))._replace(adds=(child,))
    await decided(store, task, facts.CancelAsked())

    assert await store.tasks.apply([change]) == [change]
    assert await kinds_of(store, task) == [Kind.CANCEL_REQUESTED]
    assert await store.tasks.get([child.id]) == {}


async def test_a_settle_that_is_repeated_loses_and_knows_its_own_work(store):
    task, child = await running(store), a_task()
    change = a_change(store, task, facts.Raised(task.claim, a_failure(), WAIT))._replace(adds=(child,))
    await store.tasks.apply([change])

    assert await store.tasks.apply([change]) == [change]
    assert change.made(await now_stored(store, task))
    assert await kinds_of(store, task) == [Kind.RETRY_SCHEDULED]
    assert await store.tasks.get([child.id]) == {child.id: child}


async def test_a_completion_that_is_repeated_loses_and_knows_its_own_work(store):
    task = await running(store)
    change = a_change(store, task, facts.Returned(task.claim, '{"b": 1, "a": 1.0}'))
    await store.tasks.apply([change])

    assert await store.tasks.apply([change]) == [change]
    assert change.made(await now_stored(store, task))


async def test_of_two_changes_of_one_task_the_first_wins(store):
    task = await running(store)
    first = a_change(store, task, facts.Returned(task.claim, "1"))
    second = a_change(store, task, facts.CancelAsked())

    assert await store.tasks.apply([first, second]) == [second]
    assert await now_stored(store, task) == first.after
    assert await kinds_of(store, task) == []


async def test_the_same_completion_twice_in_a_batch_is_written_once(store):
    task, other = await running(store), await running(store)
    change = a_change(store, task, facts.Returned(task.claim, "1"))
    mate = a_change(store, other, facts.Returned(other.claim, "2"))

    assert await store.tasks.apply([change, mate, change]) == [change]
    assert await store.tasks.get([task.id, other.id]) == {task.id: change.after, other.id: mate.after}


async def test_a_stale_change_does_not_cost_a_good_one_of_the_same_task_the_race(store):
    task = await running(store)
    stale = a_change(store, task, facts.CancelAsked())
    asked = await decided(store, task, facts.CancelAsked())
    good = a_change(store, asked, facts.Stopped(asked.claim))

    assert await store.tasks.apply([stale, good]) == [stale]
    assert await now_stored(store, task) == good.after


async def test_a_change_leaves_a_lease_alone_that_was_renewed_meanwhile(store, clock):
    seen = await running(store)
    clock.advance(timedelta(seconds=20))
    await store.tasks.renew([Renewal(seen.id, seen.claim, "0.5")], LEASE)

    after = await decided(store, seen, facts.CancelAsked())

    stored = await now_stored(store, seen)
    assert stored.lease_until == NOON + timedelta(seconds=20) + LEASE
    assert stored == after._replace(lease_until=stored.lease_until, progress="0.5", progress_seq=1)
    clock.advance(timedelta(seconds=20))
    assert await store.tasks.overdue(State.RUNNING, 10) == []


async def test_a_settle_keeps_the_progress_that_was_written_meanwhile(store):
    task = await running(store)
    await store.tasks.renew([Renewal(task.id, task.claim, "0.9")], LEASE)

    await decided(store, task, facts.Returned(task.claim, "1"))

    stored = await now_stored(store, task)
    assert (stored.state, stored.progress, stored.progress_seq) == (State.COMPLETED, "0.9", 1)
    assert (stored.lease_until, stored.wake_at) == (None, None)
    assert await store.tasks.overdue(State.RUNNING, 10) == []


async def test_a_settled_task_keeps_its_token_and_worker(store):
    task = await ended(store, State.COMPLETED)

    stored = await now_stored(store, task)

    assert (stored.token, stored.worker) == (task.token, "worker-1")
    assert stored.token is not None


async def test_events_keep_every_fact(store):
    task = await running(store)
    detail = {"none": None, "float": 0.1, "int": 2**60, "bool": True, "text": "\0 \ud800 \U0001f600 \" ' \\"}
    event = an_event(task, Kind.FAILED, worker="worker é", detail=detail, at=NOON + timedelta(microseconds=1))
    change = a_change(store, task, facts.CancelAsked())._replace(events=(event, replace(event, detail={})))

    await store.tasks.apply([change])

    assert await store.history.events(task.id) == [event, replace(event, detail={})]


async def test_a_row_that_the_database_refuses_spoils_no_other_change(store):
    good, bad = await running(store), await running(store)
    changes = [
        a_change(store, task, facts.Returned(task.claim, text)) for task, text in ((good, '"\\u0000"'), (bad, '"\0"'))
    ]

    with suppress(RowInvalid):
        assert await store.tasks.apply(changes) == []
        assert (await now_stored(store, bad)).result == '"\0"'
        return

    assert await store.tasks.get([good.id, bad.id]) == {good.id: good, bad.id: bad}
    assert await store.tasks.apply(changes[:1]) == []


async def test_long_and_short_results_of_one_batch_are_each_kept_whole(store):
    texts = ["1", '"' + "x" * 1_500_000 + '"', '"' + "y" * 1_500_000 + '"', '"\\u00e9"', "[]"]
    tasks = [await running(store) for _ in texts]

    changes = [a_change(store, task, facts.Returned(task.claim, text)) for task, text in zip(tasks, texts, strict=True)]

    assert await store.tasks.apply(changes) == []
    assert [(await now_stored(store, task)).result for task in tasks] == texts


@pytest.mark.mistake(23)
async def test_a_claim_decided_from_an_old_read_is_refused_after_every_kind_of_change(store, clock):
    task = await running(store)
    clock.advance(LEASE)
    late = decide(task, facts.Returned(task.claim, '"late"'), NOON)
    await decided(store, task, facts.LeaseExpired(timedelta()))
    (again,) = await claims(store)

    assert await store.tasks.apply([late]) == [late]
    assert await now_stored(store, task) == again
