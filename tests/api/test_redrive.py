"""POST /v1/tasks/retry: dead letters done again, each once, counted exactly."""

import asyncio

import pytest

from duly.domain.fact import Raised
from duly.domain.state import State
from tests.contracts.places import KINDS, place
from tests.support.builders import a_failure
from tests.support.moves import added, claims, decided, ended, now_stored, running
from tests.support.serving import serving


async def failed(store, error="ValueError", **given):
    task = await running(store, **given)
    return await decided(store, task, Raised(task.claim, a_failure(error), None))


async def redrive(api, limit=1000, cursor=None, **which):
    body = {"filter": which, "limit": limit, "cursor": cursor}
    return await api.client.post("/v1/tasks/retry", json=body)


async def test_failed_tasks_are_pending_again_under_their_ids(api):
    tasks = [await failed(api.store) for _ in range(3)]
    done = await ended(api.store, State.COMPLETED)

    response = await redrive(api)

    assert response.json() == {"retried": 3, "skipped": 0, "next": None}
    assert {task.id for task in await claims(api.store)} == {task.id for task in tasks}
    assert (await now_stored(api.store, done)).state is State.COMPLETED


async def test_only_what_fits_the_filter_is_retried(api):
    wanted = await failed(api.store, "ConnectionError", type="mail.send", queue="mail")
    for given in ({"type": "mail.read", "queue": "mail"}, {"type": "mail.send", "queue": "slow"}):
        await failed(api.store, "ConnectionError", **given)
    await failed(api.store, "ValueError", type="mail.send", queue="mail")

    response = await redrive(api, state="failed", type="mail.send", queue="mail", error_type="ConnectionError")

    assert response.json()["retried"] == 1
    assert [task.id for task in await claims(api.store, "mail")] == [wanted.id]


async def test_cancelled_tasks_are_retried_when_they_are_asked_for(api):
    await ended(api.store, State.CANCELLED)
    await ended(api.store, State.FAILED)

    assert (await redrive(api, state="cancelled")).json()["retried"] == 1


async def test_a_limit_is_kept_and_next_goes_on(api):
    for _ in range(5):
        await failed(api.store)

    first = await redrive(api, limit=3)
    second = await redrive(api, limit=3, cursor=first.json()["next"])

    assert (first.json()["retried"], second.json()) == (3, {"retried": 2, "skipped": 0, "next": None})


async def test_a_task_whose_key_lives_elsewhere_is_skipped_and_holds_up_no_other(api):
    blocked = await failed(api.store, key="K")
    free = await failed(api.store)
    await added(api.store, key="K", queue="other")

    response = await redrive(api)

    assert response.json() == {"retried": 1, "skipped": 1, "next": None}
    assert (await now_stored(api.store, blocked)).state is State.FAILED
    assert [task.id for task in await claims(api.store)] == [free.id]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/filter"),
        ({"filter": {"odd": 1}}, "/filter/odd"),
        ({"filter": {"state": "running"}}, "/filter/state"),
        ({"filter": {}, "limit": 1001}, "/limit"),
        ({"filter": {}, "limit": 0}, "/limit"),
        ({"filter": {}, "dry_run": True}, "/dry_run"),
    ],
)
async def test_what_is_no_redrive_is_422_and_retries_nothing(api, body, pointer):
    await failed(api.store)

    response = await api.client.post("/v1/tasks/retry", json=body)

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer
    assert await claims(api.store) == []


async def test_a_cursor_that_was_made_up_is_400(api):
    assert (await redrive(api, cursor="x")).status_code == 400


@pytest.fixture(scope="module", params=KINDS)
def home(request, tmp_path_factory):
    with place(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
async def two(home, clock, handlers):
    """Two services on one database."""
    home.empty()
    one, other = await home.open(clock), await home.open(clock)
    try:
        async with serving(one, handlers) as first, serving(other, handlers) as second:
            yield first, second
    finally:
        await one.close()
        await other.close()


async def test_redrives_at_once_in_two_processes_retry_each_failure_once(two):
    tasks = [await failed(two[0].store) for _ in range(60)]

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(redrive(two[n % 2])) for n in range(6)]

    assert sum(call.result().json()["retried"] for call in calls) == 60
    assert {(await now_stored(two[0].store, task)).version for task in tasks} == {4}
