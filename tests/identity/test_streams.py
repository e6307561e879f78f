"""What becomes of an open event stream when its reader may read no more."""

from datetime import timedelta

import jwt
import pytest

from duly.api import stream
from duly.domain.errors import StoreUnavailable
from duly.domain.fact import CancelAsked
from duly.engine.identity_keys import REMEMBERED_FOR
from duly.engine.limits import Limits
from tests.identity.conftest import SECRET
from tests.support.listening import connected, listening
from tests.support.moves import decided, running


class Reading:
    def __init__(self, wire):
        self._wire = wire
        self.text = ""

    async def until(self, words):
        while words not in self.text:
            data = await self._wire._reader.read(65_536)
            assert data, f"it ended without {words!r}: {self.text}"
            self.text += data.decode()

    async def end(self):
        await self.until("\r\n0\r\n\r\n")


async def _begin(wire, task, credential):
    fields = f"host: localhost\r\naccept: text/event-stream\r\nauthorization: Bearer {credential}\r\n\r\n"
    await wire.send(f"GET /v1/tasks/{task.id}/events HTTP/1.1\r\n{fields}".encode())
    reading = Reading(wire)
    await reading.until("event: running")
    return reading


@pytest.mark.mistake(47)
async def test_a_revoked_key_is_shown_nothing_more_and_its_stream_ends(api):
    task, key = await running(api.service.store), await api.new_key()
    async with listening(api.client._transport.app) as port, connected(port) as wire:
        reading = await _begin(wire, task, key.text)

        await api.service.store.keys.revoke(key.key.id)
        api.clock.advance(REMEMBERED_FOR)
        await decided(api.service.store, task, CancelAsked())
        await reading.end()

    assert '"version":3' not in reading.text


async def test_a_silent_stream_of_a_revoked_key_ends_with_the_next_comment(api, monkeypatch):
    assert (stream.SILENCE + REMEMBERED_FOR).total_seconds() == 20  # as the docs say
    monkeypatch.setattr(stream, "SILENCE", timedelta(milliseconds=50))
    task, key = await running(api.service.store), await api.new_key()
    async with listening(api.client._transport.app) as port, connected(port) as wire:
        reading = await _begin(wire, task, key.text)
        await reading.until(": nothing new")

        await api.service.store.keys.revoke(key.key.id)
        api.clock.advance(REMEMBERED_FOR)
        await reading.end()


async def test_the_stream_of_a_token_that_ends_is_ended(api, monkeypatch):
    monkeypatch.setattr(stream, "SILENCE", timedelta(milliseconds=50))
    claims = {
        "iss": "https://issuer",
        "aud": "duly-api",
        "sub": "somebody",
        "scope": "tasks:read",
        "exp": api.clock.now() + timedelta(minutes=5),
    }
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    task = await running(api.service.store)
    async with listening(api.client._transport.app) as port, connected(port) as wire:
        reading = await _begin(wire, task, token)

        api.clock.advance(timedelta(minutes=10))
        await reading.end()


async def test_while_nobody_can_tell_a_stream_goes_on(api, monkeypatch):
    monkeypatch.setattr(stream, "SILENCE", timedelta(milliseconds=50))
    task, key = await running(api.service.store), await api.key()

    async def away(*_):
        raise StoreUnavailable("away")

    async with listening(api.client._transport.app) as port, connected(port) as wire:
        reading = await _begin(wire, task, key)
        monkeypatch.setattr(type(api.service.store.keys), "find", away)
        api.clock.advance(REMEMBERED_FOR)

        for _ in range(3):
            reading.text = ""
            await reading.until(": nothing new")


async def test_one_identity_cannot_take_the_streams_of_all(api):
    object.__setattr__(api.service, "limits", Limits(max_streams_each=1))
    task, key, other = await running(api.service.store), await api.key(), await api.key()
    path, stream_only = f"/v1/tasks/{task.id}/events", {"accept": "text/event-stream"}
    async with listening(api.client._transport.app) as port, connected(port) as wire, connected(port) as second:
        await _begin(wire, task, key)

        refused = await api.ask("GET", path, key, headers=stream_only)
        await _begin(second, task, other)

    assert refused.status_code == 429
    assert refused.json()["code"] == "too-many"
    assert int(refused.headers["retry-after"]) > 0
