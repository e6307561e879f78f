"""Conditional requests and preferences (RFC 9110, RFC 7240), where tests elsewhere do not say it."""

import pytest

from duly.domain.state import State
from tests.support.moves import added, ended


@pytest.mark.standard("RFC 9110", "13.1.2", "The list is *: the condition is false when there is any representation.")
async def test_a_star_matches_whatever_there_is(api):
    task = await ended(api.store, State.COMPLETED)

    response = await api.client.get(f"/v1/tasks/{task.id}", headers={"if-none-match": "*"})

    assert response.status_code == 304


@pytest.mark.standard("RFC 9110", "13.2.1", "A condition does not count when the answer would be no 2xx without it.")
async def test_a_condition_on_nothing_is_still_404(api):
    response = await api.client.get("/v1/tasks/no-uuid", headers={"if-none-match": "*"})

    assert response.status_code == 404


@pytest.mark.standard("RFC 9110", "8.8.3", "A weak entity tag begins with W/.")
async def test_the_entity_tag_is_weak_for_why_a_task_waits_is_no_part_of_it(api):
    task = await added(api.store)

    response = await api.client.get(f"/v1/tasks/{task.id}")

    assert response.headers["etag"] == 'W/"1.0"'


@pytest.mark.standard("RFC 7240", "2", "Prefer may be given as several fields or as one list.")
async def test_preferences_may_stand_in_several_fields(api):
    task = await ended(api.store, State.COMPLETED)

    response = await api.client.get(
        f"/v1/tasks/{task.id}", headers=[("prefer", "respond-async"), ("prefer", "handling=strict, wait=5")]
    )

    assert response.headers["preference-applied"] == "wait=5"


@pytest.mark.standard("RFC 7240", "3", "Preference-Applied is left out when no preference was honoured.")
async def test_without_a_preference_none_was_applied(api):
    task = await ended(api.store, State.COMPLETED)

    response = await api.client.get(f"/v1/tasks/{task.id}", headers={"prefer": "return=minimal"})

    assert "preference-applied" not in response.headers


@pytest.mark.standard("RFC 9110", "9.2.1", "Safe methods change nothing.")
async def test_looking_changes_nothing(api):
    task = await added(api.store)
    before = await api.store.tasks.get([task.id])

    for path in ("", "/result", "/events"):
        await api.client.get(f"/v1/tasks/{task.id}{path}")
        await api.client.head(f"/v1/tasks/{task.id}{path}")

    assert await api.store.tasks.get([task.id]) == before


@pytest.mark.standard("RFC 9110", "10.2.2", "Location of a 202 or 200 leads to what was made.")
async def test_the_location_of_a_submit_leads_to_its_task(api):
    answer = await api.client.post("/v1/tasks", json={"type": "text.reverse", "payload": {"text": "a"}})

    found = await api.client.get(answer.headers["location"])

    assert (found.status_code, found.json()["id"]) == (200, answer.json()["id"])
