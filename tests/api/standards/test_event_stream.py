"""Server-sent events (HTML, section 9.2)."""

import asyncio
import json
from datetime import timedelta

import pytest

from duly.api import stream
from duly.domain.fact import CancelAsked, Returned
from duly.domain.state import State
from duly.engine.limits import Limits
from duly.ports.store import Renewal
from tests.api.standards.streams import SSE, STREAM, Event, events_in
from tests.support.builders import LEASE
from tests.support.listening import connected, listening
from tests.support.moves import added, claims, decided, ended, now_stored, running
from tests.support.serving import eventually, serving


async def follow(api, task, **headers):
    return await api.client.get(f"/v1/tasks/{task.id}/events", headers=SSE | headers)


@pytest.fixture
async def following(api):
    """Begin to follow a task on a real connection, and read what comes, event by event."""
    async with listening(api.app) as port, connected(port) as wire:

        async def begin(task, **headers):
            lines = "".join(f"{name}: {value}\r\n" for name, value in (SSE | headers).items())
            await wire.send(f"GET /v1/tasks/{task.id}/events HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n".encode())
            return Following(wire)

        yield begin


class Following:
    def __init__(self, wire) -> None:
        self._reader = wire._reader
        self.text = ""

    async def until(self, words: str) -> str:
        async with asyncio.timeout(20):
            while words not in self.text:
                data = await self._reader.read(65_536)
                assert data, f"it ended without {words!r}: {self.text}"
                self.text += data.decode()
        return self.text


@pytest.mark.standard("HTML", "9.2.5", "The stream is text/event-stream in UTF-8; each event ends with an empty line.")
async def test_a_stream_of_a_finished_task_is_its_final_event(api):
    task = await ended(api.store, State.COMPLETED)

    response = await follow(api, task)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.text.endswith("\n\n")
    shown = await api.client.get(f"/v1/tasks/{task.id}")
    assert events_in(response.text) == [Event("3", "completed", shown.json())]


@pytest.mark.standard("HTML", "9.2.6", "An event has a name and an id; the id is sent back as Last-Event-ID.")
async def test_each_version_is_an_event_with_its_id(api, following):
    task = await added(api.store)
    reader = await following(task)

    await reader.until('"version":1')
    (task,) = await claims(api.store)
    await reader.until('"version":2')
    await decided(api.store, task, Returned(task.claim, "1"))
    await reader.until('"version":3')

    text = reader.text.replace("\r\n", "\n").partition("\n\n")[2]
    assert "id: 1\nevent: pending\ndata: " in text
    assert "id: 2\nevent: running\ndata: " in text
    assert "id: 3\nevent: completed\ndata: " in text


async def test_progress_between_versions_has_no_id(api, following):
    task = await running(api.store)
    reader = await following(task)

    await reader.until('"version":2')
    await api.store.tasks.renew([Renewal(task.id, task.claim, '{"fraction":0.5,"note":"half"}')], LEASE)
    await reader.until('"fraction":0.5')

    assert 'event: progress\ndata: {"id":' in reader.text
    assert reader.text.count("id: 2\n") == 1


@pytest.mark.standard("HTML", "9.2.3", "A reader that connects again goes on after its Last-Event-ID.")
async def test_a_stream_resumes_after_the_last_event_id(api):
    task = await running(api.store)
    await decided(api.store, task, CancelAsked())
    asked = await now_stored(api.store, task)
    await decided(api.store, asked, Returned(asked.claim, "1"))

    response = await follow(api, task, **{"last-event-id": "2"})

    assert [(event.id, event.name) for event in events_in(response.text)] == [("4", "completed")]


async def test_what_a_resuming_reader_has_is_not_sent_again(api, following):
    task = await running(api.store)
    reader = await following(task, **{"last-event-id": "2"})

    await reader.until("retry: ")
    await decided(api.store, task, Returned(task.claim, "1"))
    await reader.until("event: completed")

    assert "id: 2\n" not in reader.text


@pytest.mark.standard("HTML", "9.2.3", "204 No Content tells a reader to connect no more.")
async def test_a_reader_that_has_seen_the_end_is_told_to_stay_away(api):
    task = await ended(api.store, State.COMPLETED)

    response = await follow(api, task, **{"last-event-id": "3"})

    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.standard(
    "HTML", "9.2.6", "A line that begins with a colon is a comment; one about every 15 seconds is advised."
)
async def test_a_silent_stream_sends_comments(api, following, monkeypatch):
    assert stream.SILENCE.total_seconds() == 15
    monkeypatch.setattr(stream, "SILENCE", timedelta(milliseconds=50))
    reader = await following(await added(api.store))

    await reader.until(": nothing new\n\n")


@pytest.mark.standard("HTML", "9.2.6", "retry sets the time after which a reader connects again, in milliseconds.")
async def test_a_stream_says_when_to_come_back(api):
    response = await follow(api, await ended(api.store, State.FAILED))

    assert response.text.startswith("retry: 2000\n\n")


async def test_a_task_that_was_retried_by_hand_streams_on(api, following):
    task = await ended(api.store, State.FAILED)
    await api.client.post(f"/v1/tasks/{task.id}/retry")

    reader = await following(task, **{"last-event-id": "3"})

    await reader.until("id: 4\nevent: pending")


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "99999999999"])
async def test_an_id_that_is_none_is_400(api, number):
    response = await follow(api, await ended(api.store, State.FAILED), **{"last-event-id": number})

    assert response.status_code == 400


async def test_an_id_from_the_future_is_the_beginning(api):
    response = await follow(api, await ended(api.store, State.FAILED), **{"last-event-id": "99"})

    assert [event.name for event in events_in(response.text)] == ["failed"]


async def test_streams_beyond_the_limit_are_429_until_one_ends(store, handlers):
    task = await running(store)
    async with serving(store, handlers, limits=Limits(max_streams=1)) as api, listening(api.app) as port:
        async with connected(port) as wire:
            await wire.send(
                f"GET /v1/tasks/{task.id}/events HTTP/1.1\r\nhost: localhost\r\naccept: {STREAM}\r\n\r\n".encode()
            )
            await Following(wire).until("event: running")
            refused = await follow(api, task)
        done = await ended(store, State.COMPLETED)
        accepted = await eventually(lambda: _taken(api, done))

    assert refused.status_code == 429
    assert refused.json()["code"] == "too-many"
    assert int(refused.headers["retry-after"]) > 0
    assert accepted.status_code == 200


async def _taken(api, task):
    response = await follow(api, task)
    return response if response.status_code == 200 else None


@pytest.mark.mistake(39)
async def test_a_reader_that_leaves_leaves_nothing_behind(api):
    task = await running(api.store)
    async with listening(api.app) as port:
        async with connected(port) as wire:
            await wire.send(
                f"GET /v1/tasks/{task.id}/events HTTP/1.1\r\nhost: localhost\r\naccept: {STREAM}\r\n\r\n".encode()
            )
            await Following(wire).until("event: running")
            assert api.service.tasks._watcher._waiting
        await eventually(lambda: _nobody_waits(api))


async def _nobody_waits(api):
    names = [repr(task.get_coro()) for task in asyncio.all_tasks()]
    return not api.service.tasks._watcher._waiting and not any(
        "until_left" in name or "listen()" in name for name in names
    )


async def test_streams_and_waits_end_when_the_service_is_to_close(api):
    task = await running(api.store)
    async with listening(api.app) as port, connected(port) as one, connected(port) as other:
        await one.send(
            f"GET /v1/tasks/{task.id}/events HTTP/1.1\r\nhost: localhost\r\naccept: {STREAM}\r\n\r\n".encode()
        )
        reader = Following(one)
        await reader.until("event: running")
        await other.send(f"GET /v1/tasks/{task.id} HTTP/1.1\r\nhost: localhost\r\nprefer: wait=60\r\n\r\n".encode())
        await eventually(lambda: _waits(api, 2))

        api.service.tasks.release()

        answer = await other.answer()
        await reader.until("\r\n0\r\n\r\n")
    assert (answer.status, json.loads(answer.body)["state"]) == (200, "running")


async def _waits(api, count):
    return sum(map(len, api.service.tasks._watcher._waiting.values())) == count


async def test_a_task_that_is_deleted_ends_its_stream(api, following):
    task = await running(api.store)
    reader = await following(task)
    await reader.until("event: running")

    done = await decided(api.store, task, Returned(task.claim, "1"))
    await reader.until("event: completed")
    await api.store.history.delete(done)

    await reader.until("\r\n0\r\n\r\n")


async def test_many_readers_of_one_task_all_receive_its_end_from_shared_looks(api):
    task = await running(api.store)

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(follow(api, task)) for _ in range(300)]
        await eventually(lambda: _waits(api, 300))
        await decided(api.store, await now_stored(api.store, task), Returned(task.claim, "1"))

    for reader in readers:
        assert events_in(reader.result().text)[-1].name == "completed"
