"""What only a real server shows: chunks, lengths, connections that break."""

import asyncio
import json

import pytest

from duly.domain.query import TaskQuery
from tests.support.listening import connected, listening
from tests.support.moves import running
from tests.support.serving import eventually

HEAD = b"POST /v1/tasks HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
BODY = json.dumps({"type": "text.reverse", "payload": {"text": "hello"}}).encode()

PARSERS = pytest.mark.parametrize("http", ["httptools", "h11"])


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def _stored(api):
    return (await api.store.tasks.page(TaskQuery())).tasks


@PARSERS
async def test_a_body_in_chunks_is_read(api, http):
    async with listening(api.app, http) as port, connected(port) as wire:
        await wire.send(HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk(BODY[:5]), chunk(BODY[5:]), chunk(b""))
        answer = await wire.answer()

    assert answer.status == 202


@PARSERS
async def test_chunks_without_end_are_413_before_the_end(api, http):
    async with listening(api.app, http) as port, connected(port) as wire:
        await wire.send(HEAD + b"transfer-encoding: chunked\r\n\r\n", *[chunk(b" " * 65_536)] * 17)
        answer = await wire.answer()

    assert answer.status == 413
    assert json.loads(answer.body)["code"] == "too-large"
    assert answer.headers["content-type"] == "application/problem+json"


@PARSERS
async def test_a_declared_length_over_the_limit_is_413_before_the_body(api, http):
    async with listening(api.app, http) as port, connected(port) as wire:
        await wire.send(HEAD + b"content-length: 2000000\r\n\r\n")
        answer = await wire.answer()

    assert answer.status == 413


@PARSERS
async def test_a_body_that_ends_early_stores_nothing_and_hurts_nobody(api, http, caplog):
    async with listening(api.app, http) as port:
        async with connected(port) as wire:
            await wire.send(HEAD + b"content-length: 100\r\n\r\n" + BODY[:10])
        async with connected(port) as other:
            await other.send(HEAD + f"content-length: {len(BODY)}\r\n\r\n".encode() + BODY)
            answer = await other.answer()

    assert answer.status == 202
    assert len(await _stored(api)) == 1
    assert "Traceback" not in caplog.text


@PARSERS
async def test_two_requests_on_one_connection_are_two_tasks(api, http):
    request = HEAD + f"content-length: {len(BODY)}\r\n\r\n".encode() + BODY

    async with listening(api.app, http) as port, connected(port) as wire:
        await wire.send(request + request)
        answers = [await wire.answer(), await wire.answer()]

    assert [answer.status for answer in answers] == [202, 202]
    assert len(await _stored(api)) == 2


@PARSERS
async def test_the_connection_goes_on_after_a_problem(api, http):
    good = HEAD + f"content-length: {len(BODY)}\r\n\r\n".encode() + BODY

    async with listening(api.app, http) as port, connected(port) as wire:
        await wire.send(HEAD + b"content-length: 1\r\n\r\n{")
        bad_answer = await wire.answer()
        await wire.send(good)
        good_answer = await wire.answer()

    assert (bad_answer.status, good_answer.status) == (400, 202)


@PARSERS
@pytest.mark.mistake(39)
async def test_a_client_that_leaves_while_it_waits_leaves_no_work_behind(api, http):
    task = await running(api.store)

    async with listening(api.app, http) as port:
        async with connected(port) as wire:
            await wire.send(f"GET /v1/tasks/{task.id} HTTP/1.1\r\nhost: localhost\r\nprefer: wait=60\r\n\r\n".encode())
            await eventually(lambda: _waiting(present=True))
        await eventually(lambda: _waiting(present=False))


async def _waiting(*, present):
    names = [repr(task.get_coro()) for task in asyncio.all_tasks()]
    return any("until_left" in name for name in names) is present


@PARSERS
async def test_a_304_has_no_body_on_the_wire(api, http):
    task = await running(api.store)
    request = f'GET /v1/tasks/{task.id} HTTP/1.1\r\nhost: localhost\r\nif-none-match: W/"2.0"\r\n\r\n'.encode()

    async with listening(api.app, http) as port, connected(port) as wire:
        await wire.send(request + request)
        answers = [await wire.answer(), await wire.answer()]

    assert [answer.status for answer in answers] == [304, 304]


@PARSERS
async def test_a_request_without_host_is_refused(api, http):
    async with listening(api.app, http) as port, connected(port) as wire:
        await wire.send(b"GET /v1/types HTTP/1.0\r\n\r\n")
        answer = await wire.answer()

    assert answer.status == 403


@pytest.mark.mistake(47)
async def test_a_name_with_control_characters_cannot_forge_a_header(api):
    async with listening(api.app) as port, connected(port) as wire:
        await wire.send(b"GET /v1/tasks/x%0d%0aset-cookie:%20a HTTP/1.1\r\nhost: localhost\r\n\r\n")
        answer = await wire.answer()

    assert answer.status == 404
    assert "set-cookie" not in answer.headers
