"""The clients against a real service."""

import asyncio
from datetime import datetime, timedelta, timezone
from uuid import uuid4

import pytest

from duly.api.problems import TABLE
from duly.client import AsyncClient, Client, RemoteError, ServiceUnreachable, Submit
from duly.client.errors import Subject, error_of
from duly.domain import errors
from duly.domain.state import State
from duly.wire.problem import Problem

pytestmark = pytest.mark.system
SOON = timedelta(seconds=30)


@pytest.fixture
def client(service):
    with Client(service) as client:
        yield client


def later():
    return timedelta(hours=1)


def test_a_task_is_submitted_and_its_result_comes(client):
    task = client.submit("text.reverse", {"text": "hello"}, priority=7, tags=["a", "b"])

    assert (task.type, task.priority, task.tags) == ("text.reverse", 7, ["a", "b"])
    assert client.result(task.id, SOON) == "olleh"


def test_wait_returns_the_final_task(client):
    task = client.wait(client.submit("text.reverse", {"text": "hello"}).id, SOON)

    assert (task.state, task.result) == (State.COMPLETED, "olleh")


def test_wait_returns_the_task_as_it_is_when_its_time_is_over(client):
    task = client.wait(client.submit("text.reverse", {"text": "a"}, delay=later()).id, timedelta(milliseconds=300))

    assert task.state is State.SCHEDULED


def test_the_result_of_a_task_that_is_not_final_in_time_is_a_timeout(client):
    task = client.submit("text.reverse", {"text": "a"}, delay=later())

    with pytest.raises(TimeoutError, match="is still scheduled"):
        client.result(task.id, timedelta(milliseconds=100))


def test_the_result_of_a_failed_task_raises_its_error(client):
    task = client.submit("test.fail", {"why": "no luck"})

    with pytest.raises(errors.TaskFailed) as caught:
        client.result(task.id, SOON)

    assert caught.value.error["message"] == "no luck"
    assert caught.value.reason == "handler_error"


def test_the_result_of_a_cancelled_task_says_so(client):
    task = client.submit("text.reverse", {"text": "a"}, delay=later())
    assert client.cancel(task.id).state is State.CANCELLED

    with pytest.raises(errors.TaskCancelled):
        client.result(task.id, SOON)


def test_many_are_submitted_in_order(client):
    tasks = client.submit_many([Submit(type="text.reverse", payload={"text": str(n)}, delay=later()) for n in range(3)])

    assert [task.payload for task in tasks] == [{"text": "0"}, {"text": "1"}, {"text": "2"}]


def test_one_bad_task_of_many_refuses_all_and_is_named(client):
    tag = f"t{uuid4().hex}"
    good = Submit(type="text.reverse", payload={"text": "a"}, tags=[tag])
    bad = Submit(type="text.reverse", payload={"text": 1}, tags=[tag])

    with pytest.raises(errors.Invalid) as caught:
        client.submit_many([good, bad])

    assert [flaw.pointer for flaw in caught.value.flaws] == ["/tasks/1/payload/text"]
    assert list(client.list(tag=tag)) == []


@pytest.mark.mistake(3)
def test_a_repeat_under_the_same_idempotency_key_is_the_same_task(client):
    key = f'a "key" {uuid4()}'

    first = client.submit("text.reverse", {"text": "a"}, idempotency_key=key)
    second = client.submit("text.reverse", {"text": "a"}, idempotency_key=key)

    assert first.id == second.id
    with pytest.raises(errors.KeyReused):
        client.submit("text.reverse", {"text": "b"}, idempotency_key=key)


def test_many_repeated_under_the_same_idempotency_key_are_the_same_tasks(client):
    key, many = str(uuid4()), [Submit(type="text.reverse", payload={"text": "a"})] * 2

    first = client.submit_many(many, idempotency_key=key)
    second = client.submit_many(many, idempotency_key=key)

    assert [task.id for task in first] == [task.id for task in second]


def test_every_error_of_the_service_has_its_class_in_the_client():
    codes = {row.code for error, row in TABLE.items() if error.__module__ == "duly.domain.errors"}

    unknown = {
        code
        for code in codes
        if type(
            error_of(400, Problem(type="", title="", status=400, code=code).model_dump_json().encode(), None, Subject())
        )
        is RemoteError
    }

    assert unknown == {"not-found"}


def test_a_list_goes_through_all_pages(client):
    tag = f"t{uuid4().hex}"
    made = client.submit_many(
        [Submit(type="text.reverse", payload={"text": "a"}, tags=[tag], delay=later()) for _ in range(7)]
    )

    listed = list(client.list(page_size=3, tag=tag))

    assert [task.id for task in listed] == [task.id for task in reversed(made)]


def test_a_basic_list_leaves_payloads_out(client):
    tag = f"t{uuid4().hex}"
    client.submit("text.reverse", {"text": "a"}, tags=[tag], delay=later())

    (task,) = client.list(basic=True, tag=tag, state=State.SCHEDULED)

    assert task.payload is None


def test_a_task_is_run_again_with_another_payload(client):
    task = client.submit("test.fail", {"why": "no luck"})
    client.wait(task.id, SOON)

    again = client.retry(task.id, {"why": "still no luck"})
    ended = client.wait(task.id, SOON)

    assert again.payload == {"why": "still no luck"}
    assert ended.error.message == "still no luck"


def test_a_final_task_is_deleted_and_then_gone(client):
    task = client.submit("text.reverse", {"text": "a"})
    client.wait(task.id, SOON)

    client.delete(task.id)

    with pytest.raises(errors.TaskPurged):
        client.get(task.id)


def test_a_story_is_told_from_the_start(client):
    task = client.wait(client.submit("text.reverse", {"text": "a"}).id, SOON)

    assert [event.kind for event in client.events(task.id)] == ["submitted", "claimed", "completed"]


def test_a_queue_is_paused_and_goes_on(client):
    assert client.pause("slow").paused
    assert not client.resume("slow").paused
    assert {"default", "slow"} <= {queue.name for queue in client.queues()}


def test_the_service_tells_of_its_types_workers_and_figures(client):
    assert [one.name for one in client.types()] == ["test.exit", "test.fail", "test.half", "test.hold", "text.reverse"]
    assert client.workers()[0].queues == ["default", "slow", "duly.system"]
    assert {queue.name for queue in client.stats().queues} >= {"default"}


@pytest.mark.mistake(4)
def test_values_that_json_has_no_form_for_travel_in_their_usual_one(client):
    word = uuid4()
    at = datetime.now(timezone(timedelta(hours=5))) + timedelta(days=3)

    task = client.submit("text.reverse", {"text": word}, run_at=at, timeout=timedelta(minutes=2))

    assert task.payload == {"text": str(word)}
    assert task.run_at == at


@pytest.mark.mistake(4)
@pytest.mark.parametrize("payload", [{"text": float("nan")}, {"text": float("inf")}, {"text": object()}, {1j: 1}])
def test_what_json_cannot_carry_is_refused_before_it_is_sent(client, payload):
    with pytest.raises(errors.Invalid, match="cannot be sent as JSON"):
        client.submit("text.reverse", payload)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda client: client.get(uuid4()), errors.TaskNotFound),
        (lambda client: client.get("no id"), errors.TaskNotFound),
        (lambda client: client.submit("no.such", {}), errors.UnknownType),
        (lambda client: client.submit("text.reverse", {"txt": 1}), errors.Invalid),
        (lambda client: client.submit("text.reverse", {"text": "x" * 2_000_000}), errors.TooLarge),
        (lambda client: client.submit("text.reverse", {"text": "a"}, priority=11), errors.Invalid),
        (lambda client: client.pause("no-such-queue"), errors.QueueNotFound),
        (lambda client: list(client.list(page_size=5, state="lost")), errors.BadRequest),
    ],
)
def test_an_error_is_the_same_class_that_the_service_raised(client, call, error):
    with pytest.raises(error) as caught:
        call(client)

    assert type(caught.value) is error
    assert str(caught.value)


def test_an_illegal_move_says_which_task_state_and_move(client):
    task = client.wait(client.submit("text.reverse", {"text": "a"}).id, SOON)

    with pytest.raises(errors.IllegalMove) as caught:
        client.cancel(task.id)

    assert (caught.value.task_id, caught.value.state, caught.value.move) == (task.id, "completed", "cancelled")


def test_no_answer_is_told_with_the_address():
    with Client("http://127.0.0.1:1") as client, pytest.raises(ServiceUnreachable, match=r"http://127\.0\.0\.1:1"):
        client.get(uuid4())


@pytest.mark.mistake(48)
def test_no_answer_is_told_without_the_password():
    with Client("http://me:s3cret@127.0.0.1:1") as client, pytest.raises(ServiceUnreachable) as caught:
        client.get(uuid4())

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", "http://[::1", ""])
def test_an_address_that_is_none_is_refused_at_once(url):
    with pytest.raises(errors.Misconfigured, match="is no address of a service"):
        Client(url)


def test_this_machine_is_never_asked_through_a_proxy(service, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    with Client(service) as client:
        assert client.types()


def test_waiting_for_a_service_that_never_answered_is_not_waited_out():
    with Client("http://127.0.0.1:1") as client, pytest.raises(ServiceUnreachable):
        client.wait(uuid4(), timedelta(seconds=30))


def test_a_route_that_the_client_has_no_class_for_is_a_remote_error(client):
    with pytest.raises(RemoteError) as caught:
        client.get("a/../../../nothing")

    assert caught.value.status == 404


async def test_the_asynchronous_client_does_the_same(service):
    tag = f"t{uuid4().hex}"
    async with AsyncClient(service) as client:
        task = await client.submit("text.reverse", {"text": "hello"}, tags=[tag])
        result = await client.result(task.id, SOON)
        await client.submit_many([Submit(type="text.reverse", payload={"text": "a"}, tags=[tag], delay=later())] * 3)
        listed = [task.id async for task in client.list(page_size=2, tag=tag)]
        cancelled = await client.cancel(listed[0])
        again = await client.retry(listed[0])
        await client.delete(task.id)
        with pytest.raises(errors.TaskPurged):
            await client.get(task.id)

    assert result == "olleh"
    assert len(listed) == 4
    assert (cancelled.state, again.state) == (State.CANCELLED, State.PENDING)


async def test_many_may_wait_at_once(service):
    async with AsyncClient(service) as client:
        tasks = [await client.submit("text.reverse", {"text": str(n)}) for n in range(5)]
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(client.wait(task.id, SOON)) for task in tasks]

    assert [one.result().state for one in waiting] == [State.COMPLETED] * 5
