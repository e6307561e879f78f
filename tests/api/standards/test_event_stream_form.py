"""The form of a stream: which one is answered, and what it is made of."""

import pytest

from duly.domain.state import State
from tests.api.standards.streams import SSE, STREAM, events_in
from tests.support.builders import a_task_id
from tests.support.moves import ended


async def test_an_unknown_task_is_a_problem_and_no_stream(api):
    response = await api.client.get(f"/v1/tasks/{a_task_id(1)}/events", headers=SSE)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream, */*", "text/event-stream; charset=utf-8"),
        ("text/*", "text/event-stream; charset=utf-8"),
        ("application/json;q=0.5, text/event-stream", "text/event-stream; charset=utf-8"),
        ("text/event-stream;q=0, */*", "application/json"),
    ],
)
@pytest.mark.standard("RFC 9110", "12.5.1", "Of what a client accepts, the form with the higher quality is answered.")
async def test_the_form_is_chosen_by_accept(api, accept, kind):
    task = await ended(api.store, State.COMPLETED)

    response = await api.client.get(f"/v1/tasks/{task.id}/events", headers={"accept": accept})

    assert response.headers["content-type"] == kind


async def test_the_form_is_chosen_by_all_the_accept_fields_there_are(api):
    task = await ended(api.store, State.COMPLETED)
    fields = [("accept", "application/json;q=0.5"), ("accept", STREAM)]

    response = await api.client.get(f"/v1/tasks/{task.id}/events", headers=fields)

    assert response.headers["content-type"].startswith(STREAM)


async def test_only_what_is_no_form_of_the_route_is_406(api):
    task = await ended(api.store, State.COMPLETED)

    story = await api.client.get(f"/v1/tasks/{task.id}/events", headers={"accept": "text/html"})
    shown = await api.client.get(f"/v1/tasks/{task.id}", headers=SSE)

    assert (story.status_code, shown.status_code) == (406, 406)


@pytest.mark.standard("HTML", "9.2.6", "A line end ends a field: the data of an event must not break in the middle.")
async def test_no_text_of_a_task_can_end_an_event_or_begin_another(api):
    text = "a\n\nevent: completed\ndata: {}\r\n\rid: 9\u2028\u0085"
    task = await api.submit(payload={"text": text})
    await api.client.post(f"/v1/tasks/{task['id']}/cancel")

    response = await api.client.get(f"/v1/tasks/{task['id']}/events", headers=SSE)

    (event,) = events_in(response.text)
    assert (event.name, event.data["payload"]) == ("cancelled", {"text": text})
    assert response.text.isascii()
    assert "\r" not in response.text


@pytest.mark.standard("RFC 9110", "12.5.5", "Vary names the fields by which the form of an answer was chosen.")
@pytest.mark.parametrize("accept", ["application/json", STREAM])
async def test_what_accept_decides_is_told_to_caches(api, accept):
    task = await ended(api.store, State.COMPLETED)

    response = await api.client.get(f"/v1/tasks/{task.id}/events", headers={"accept": accept})

    assert response.headers["vary"] == "Accept"
