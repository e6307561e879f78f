"""What becomes of a long wait when whoever waits may read no more."""

import asyncio

import pytest

from duly.domain.fact import CancelAsked
from duly.domain.identity import Scope
from duly.engine.identity_keys import REMEMBERED_FOR
from tests.support.moves import decided, running

PREFER = {"prefer": "wait=30"}


@pytest.fixture
def waiting(api, monkeypatch):
    """Set once somebody waits for a task."""
    reached, ended = asyncio.Event(), type(api.service.tasks).ended

    async def noted(self, task, longest):
        reached.set()
        return await ended(self, task, longest)

    monkeypatch.setattr(type(api.service.tasks), "ended", noted)
    return reached


async def _revoke(api, key_id):
    await api.service.store.keys.revoke(key_id)
    api.clock.advance(REMEMBERED_FOR)


@pytest.mark.mistake(47)
async def test_who_waits_with_a_key_that_is_revoked_meanwhile_is_shown_nothing(api, waiting):
    """The answer came whole, however long ago the key had been revoked."""
    task, made = await running(api.service.store), await api.new_key()
    asked = asyncio.create_task(api.ask("GET", f"/v1/tasks/{task.id}", made.text, headers=PREFER))
    await waiting.wait()

    await _revoke(api, made.key.id)
    await decided(api.service.store, task, CancelAsked())
    api.service.tasks.release()
    answer = await asked

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert str(task.type) not in answer.text


async def test_who_submits_and_waits_with_a_key_that_is_revoked_meanwhile_is_told_of_the_commit_alone(api, waiting):
    made = await api.new_key(Scope.SUBMIT)
    body = {"type": "text.reverse", "payload": {"text": "a"}}
    asked = asyncio.create_task(api.ask("POST", "/v1/tasks", made.text, json=body, headers=PREFER))
    await waiting.wait()
    (task,) = (await api.ask("GET", "/v1/tasks", await api.key())).json()["tasks"]

    await _revoke(api, made.key.id)
    await api.ask("POST", f"/v1/tasks/{task['id']}/cancel", await api.key())
    answer = await asked

    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
