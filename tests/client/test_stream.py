"""Following a task: over real connections that break, and as a reader that waits without a network."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest
from httpx_sse import ServerSentEvent

from duly.client import AsyncClient, Client, RemoteError, ServiceUnreachable
from duly.client.errors import ServiceUnreachable as Away
from duly.client.following import Following
from duly.domain import errors
from duly.domain.state import State
from tests.client.test_waiting import ID, Watch, a_task
from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import a_place, answers


def an_event(version, state, **more):
    task = a_task(state).model_copy(update={"version": version})
    return ServerSentEvent(event=state, id=str(version), data=task.model_dump_json(), **more)


@pytest.mark.system
def test_a_stream_is_the_task_at_each_change_up_to_its_final_state(service, tmp_path):
    held = tmp_path / "held"
    with Client(service) as client:
        task = client.submit("test.hold", {"file": str(held)}, queue="default")
        seen = []
        for one in client.stream(task.id):
            seen.append((one.version, one.state))
            if one.state is State.RUNNING:
                eventually(held.exists)
                held.unlink(missing_ok=True)

    assert seen[-1] == (3, State.COMPLETED)
    assert seen == sorted(set(seen))


@pytest.mark.system
async def test_the_asynchronous_client_streams_too(service):
    async with AsyncClient(service) as client:
        task = await client.submit("text.reverse", {"text": "hello"})
        seen = [one async for one in client.stream(task.id)]

    assert (seen[-1].state, seen[-1].result) == (State.COMPLETED, "olleh")


@pytest.mark.system
def test_a_stream_that_begins_after_the_end_is_the_final_state(service):
    with Client(service) as client:
        task = client.wait(client.submit("text.reverse", {"text": "hello"}).id)

        assert [one.state for one in client.stream(task.id)] == [State.COMPLETED]


@pytest.mark.system
def test_a_stream_of_no_task_is_an_error(service):
    with Client(service) as client, pytest.raises(errors.TaskNotFound):
        next(client.stream(ID))


def test_a_stream_of_a_service_that_never_answered_is_not_waited_out():
    with Client("http://127.0.0.1:1") as client, pytest.raises(ServiceUnreachable):
        next(client.stream(ID))


@pytest.mark.system
@pytest.mark.mistake(39)
@pytest.mark.standard("HTML", "9.2.3", "A reader whose connection is lost connects again.")
async def test_a_stream_goes_on_after_the_api_was_killed_and_started_again(tmp_path):
    place, held = a_place(tmp_path), tmp_path / "held"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    seen = []

    async def follow(client, task):
        async for one in client.stream(task.id):
            seen.append(one.version)
        return one

    await asyncio.to_thread(place.migrate)
    async with AsyncClient(url) as client, asyncio.TaskGroup() as group:
        with place.duly("worker", "app:duly", "--queues", "slow"):
            with place.duly("api", "app:duly", "--port", str(port)) as api:
                await asyncio.to_thread(eventually, lambda: answers(url), 40)
                task = await client.submit("test.hold", {"file": str(held)})
                reader = group.create_task(follow(client, task))
                await asyncio.to_thread(eventually, lambda: 2 in seen, 40)
                api.process.kill()
            held.unlink()
            with place.duly("api", "app:duly", "--port", str(port)):
                last = await reader

    assert (last.state, last.result) == (State.COMPLETED, "let go")
    assert seen == sorted(set(seen))


class Pages(httpx.BaseTransport):
    """Answers one page after the other, and remembers what each request named as seen."""

    def __init__(self, *pages):
        self._pages = list(pages)
        self.named = []

    def handle_request(self, request):
        self.named.append(request.headers.get("last-event-id"))
        return self._pages.pop(0)


def a_page(*events):
    blocks = [f"id: {one.id}\nevent: {one.event}\ndata: {one.data}\n\n" for one in events]
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, text="retry: 10\n\n" + "".join(blocks))


def test_a_broken_stream_goes_on_after_the_last_event():
    pages = Pages(
        a_page(an_event(1, State.PENDING), an_event(2, State.RUNNING)),
        a_page(),
        a_page(an_event(3, State.COMPLETED)),
    )

    with Client(over=pages) as client:
        versions = [one.version for one in client.stream(ID)]

    assert versions == [1, 2, 3]
    assert pages.named == [None, "2", "2"]


@pytest.mark.standard("HTML", "9.2.6", "What is cut off before its empty line is no event.")
def test_an_event_that_was_cut_off_is_asked_for_again():
    whole = an_event(3, State.COMPLETED)
    cut = httpx.Response(
        200,
        headers={"content-type": "text/event-stream"},
        text=f"retry: 10\n\nid: 3\nevent: completed\ndata: {whole.data}\n",
    )
    pages = Pages(a_page(an_event(2, State.RUNNING)), cut, a_page(whole))

    with Client(over=pages) as client:
        versions = [one.version for one in client.stream(ID)]

    assert versions == [2, 3]
    assert pages.named == [None, "2", "2"]


def test_a_page_that_is_no_stream_is_not_waited_out():
    with Client(over=Pages(httpx.Response(200, text="<html>"))) as client, pytest.raises(RemoteError, match="stream"):
        next(client.stream(ID))


def test_progress_has_no_id_and_moves_nothing():
    following = Following(ID, Watch())

    following.hear(an_event(2, State.RUNNING))
    progress = following.hear(
        ServerSentEvent(event="progress", data=json.dumps(json.loads(an_event(2, "running").data)))
    )

    assert progress.version == 2
    assert following.call().headers["Last-Event-ID"] == "2"
    assert not following.over


def test_a_stream_is_resumed_when_the_service_said_not_sooner_than_half_of_it():
    following = Following(ID, Watch())
    following.hear(ServerSentEvent(retry=2000))

    pauses = {following.pause(None) for _ in range(50)}

    assert timedelta(seconds=1) <= min(pauses) < max(pauses) <= timedelta(seconds=3)


def test_an_outage_of_over_five_minutes_ends_a_stream_however_long_it_was_silent_before():
    watch = Watch()
    following = Following(ID, watch)
    following.hear(an_event(1, State.PENDING))
    watch.time += 10_000
    away = Away("http://x", "away")

    following.pause(away)
    watch.time += 299
    following.pause(away)
    watch.time += 2

    with pytest.raises(ServiceUnreachable):
        following.pause(away)
