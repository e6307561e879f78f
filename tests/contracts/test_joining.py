"""Joined: a task and the caller's own rows commit together or not at all, at both ends of a task's life."""

from collections import Counter

import pytest

from duly.domain import fact as facts
from duly.domain.errors import ClaimLost, Misconfigured, TaskNotFound
from duly.domain.event import Kind
from duly.domain.state import State
from duly.domain.transition import decide
from tests.contracts.callers import caller, make_notes, texts_of
from tests.contracts.places import KINDS
from tests.support.builders import NOON, a_failure, a_task, a_task_id, a_token
from tests.support.moves import a_change, added, claims, kinds_of, now_stored, running

WAYS = [
    (kind, style)
    for kind in KINDS
    for style in ("session", "connection", "async_session", "async_connection")
    if kind != "memory" and (kind, style[:5]) != ("sqlite", "async")
]

pytestmark = pytest.mark.parametrize(("home", "style"), WAYS, indirect=["home"], scope="session")


@pytest.fixture(scope="session")
def style(request):
    return request.param


@pytest.fixture
async def application(store, home, style):
    make_notes(home.url)
    async with caller(home.url, style) as one:
        yield one


@pytest.fixture
def calls():
    return Counter()


def _then(calls, name="then"):
    return lambda: calls.update([name])


@pytest.mark.mistake(1)
async def test_a_task_and_the_callers_rows_commit_together(store, home, application, calls):
    task = a_task(key="k", tags=("t",))

    await application.note("mine")
    assert await application.add(store, task, _then(calls)) == task
    assert await store.tasks.get([task.id]) == {}
    assert calls == {}
    await application.commit()

    assert await now_stored(store, task) == task
    assert texts_of(home.url) == ["mine"]
    assert calls == {"then": 1}


@pytest.mark.mistake(1)
async def test_a_task_and_the_callers_rows_are_rolled_back_together(store, home, application, calls):
    task = a_task()

    await application.add(store, task, _then(calls))
    await application.note("mine")
    await application.rollback()
    await application.note("later")
    await application.commit()

    assert await store.tasks.get([task.id]) == {}
    assert texts_of(home.url) == ["later"]
    assert calls == {}


async def test_a_session_that_goes_on_announces_each_commit_once(store, application, calls):
    for number in range(3):
        await application.add(store, a_task(), _then(calls, f"then {number}"))
        await application.add(store, a_task(), _then(calls, f"then {number}"))
        await application.commit()

    assert calls == {"then 0": 2, "then 1": 2, "then 2": 2}


async def test_a_savepoint_that_is_rolled_back_takes_the_task_with_it(store, home, application, calls):
    kept, dropped = a_task(), a_task()

    await application.note("mine")
    await application.add(store, kept, _then(calls, "kept"))
    savepoint = await application.begin_nested()
    await application.note("dropped")
    await application.add(store, dropped, _then(calls, "dropped"))
    await application.end(savepoint, commit=False)
    await application.commit()

    assert await store.tasks.get([kept.id, dropped.id]) == {kept.id: kept}
    assert texts_of(home.url) == ["mine"]
    assert calls == {"kept": 1}


async def test_nothing_is_announced_before_the_outermost_commit(store, application, calls):
    task = a_task()

    await application.note("mine")
    savepoint = await application.begin_nested()
    await application.add(store, task, _then(calls))
    await application.end(savepoint, commit=True)
    assert calls == {}
    assert await store.tasks.get([task.id]) == {}
    await application.commit()

    assert calls == {"then": 1}
    assert await now_stored(store, task) == task


async def test_a_released_savepoint_in_a_transaction_that_is_rolled_back_announces_nothing(store, application, calls):
    task = a_task()

    await application.note("mine")
    savepoint = await application.begin_nested()
    await application.add(store, task, _then(calls))
    await application.end(savepoint, commit=True)
    await application.rollback()
    await application.note("later")
    await application.commit()

    assert calls == {}
    assert await store.tasks.get([task.id]) == {}


async def test_a_key_that_is_taken_does_not_spoil_the_callers_transaction(store, home, application, calls):
    holder = await added(store, key="k")

    await application.note("before")
    assert await application.add(store, a_task(key="k"), _then(calls)) == holder
    await application.note("after")
    await application.commit()

    assert texts_of(home.url) == ["before", "after"]
    assert len(await store.tasks.get([holder.id])) == 1


async def test_a_key_that_was_taken_in_the_same_transaction_gives_that_task(store, application, calls):
    first = a_task(key="k")

    await application.add(store, first, _then(calls))
    assert await application.add(store, a_task(key="k"), _then(calls)) == first
    assert await application.add(store, first, _then(calls)) == first
    await application.commit()

    assert await now_stored(store, first) == first


@pytest.mark.mistake(24)
async def test_a_settle_and_the_callers_rows_commit_together(store, home, application, calls):
    task = await running(store)

    await application.note("mine")
    after = await application.settle(store, task.id, _returning(task), _then(calls))
    assert (after.state, after.result) == (State.COMPLETED, '"done"')
    assert calls == {}
    assert (await now_stored(store, task)).state is State.RUNNING
    await application.commit()

    assert await now_stored(store, task) == after
    assert texts_of(home.url) == ["mine"]
    assert calls == {"then": 1}


def _returning(task):
    return lambda seen: decide(seen, facts.Returned(task.claim, '"done"'), NOON)


async def test_a_settle_and_the_callers_rows_are_rolled_back_together(store, home, application, calls):
    task = await running(store)

    await application.settle(store, task.id, _returning(task), _then(calls))
    await application.note("mine")
    await application.rollback()

    assert await now_stored(store, task) == task
    assert texts_of(home.url) == []
    assert calls == {}


async def test_a_settle_in_a_transaction_tells_the_tasks_story(store, application, calls):
    task = await running(store)

    await application.settle(
        store, task.id, lambda seen: decide(seen, facts.Raised(task.claim, a_failure(), None), NOON), _then(calls)
    )
    await application.commit()

    assert await kinds_of(store, task) == [Kind.FAILED]


async def test_a_claim_that_is_lost_writes_nothing_and_leaves_the_transaction_usable(store, home, application, calls):
    task = await running(store)
    foreign = a_token()

    await application.note("before")
    with pytest.raises(ClaimLost):
        await application.settle(
            store, task.id, lambda seen: decide(seen, facts.Returned(foreign, "1"), NOON), _then(calls)
        )
    await application.note("after")
    await application.commit()

    assert await now_stored(store, task) == task
    assert texts_of(home.url) == ["before", "after"]
    assert calls == {}


async def test_a_settle_of_a_task_that_does_not_exist_leaves_the_transaction_usable(store, home, application, calls):
    with pytest.raises(TaskNotFound):
        await application.settle(store, a_task_id(), lambda seen: pytest.fail(f"decided about {seen}"), _then(calls))
    await application.note("after")
    await application.commit()

    assert texts_of(home.url) == ["after"]


async def test_a_settle_sees_the_task_as_it_is_now(store, application, calls):
    task = await running(store)
    await store.tasks.apply([a_change(store, task, facts.CancelAsked())])
    seen_then = []

    def look(seen):
        seen_then.append(seen)
        return decide(seen, facts.Stopped(task.claim), NOON)

    after = await application.settle(store, task.id, look, _then(calls))
    await application.commit()

    assert (seen_then[0].cancelling, after.state) == (True, State.CANCELLED)
    assert await now_stored(store, task) == after


async def test_what_is_no_session_is_refused(store, application, calls):
    for session in (object(), None, "session", application):
        with pytest.raises(Misconfigured, match="Session, AsyncSession, Connection or AsyncConnection"):
            await store.joined.add(session, a_task(), _then(calls))
        with pytest.raises(Misconfigured):
            store.joined.add_blocking(session, a_task(), _then(calls))


@pytest.mark.mistake(1)
@pytest.mark.parametrize("commit", [True, False])
async def test_the_delivery_of_a_callback_commits_with_the_callers_rows_or_not_at_all(
    store, home, application, calls, commit
):
    task = await running(store, callback_url="https://receiver.example/")
    fact = facts.Returned(task.claim, "1")

    await application.note("mine")
    await application.settle(store, task.id, lambda seen: decide(seen, fact, NOON), _then(calls))
    await (application.commit() if commit else application.rollback())

    delivered = await claims(store, "duly.system")
    assert [one.tags for one in delivered] == ([(str(task.id),)] if commit else [])
    assert texts_of(home.url) == (["mine"] if commit else [])
