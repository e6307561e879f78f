"""What is refused at the door."""

import asyncio
import json
from datetime import timedelta

import pytest

from duly.api import body
from duly.engine.limits import Limits
from tests.support.serving import serving

HELLO = {"type": "text.reverse", "payload": {"text": "hello"}}
JSON = {"content-type": "application/json"}


async def _post(api, content, headers=None):
    return await api.client.post("/v1/tasks", content=content, headers=JSON | (headers or {}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"type": "text.reverse",}',
        b"\xef\xbb\xbf{}",
        b'{"type": "\xff"}',
        '{"type": "text.reverse"}'.encode("utf-16"),
        b'{"type": "anything", "payload": {"value": NaN}}',
        b'{"type": "anything", "payload": {"value": Infinity}}',
        b'{"type": "anything", "payload": {"value": -Infinity}}',
        rb'{"type": "anything", "payload": {"value": "\ud800"}}',
        rb'{"type": "anything", "payload": {"value": "\udc00\ud800"}}',
        b'{"type": "anything", "payload": {"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"type": "anything", "payload": {"value": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}}",
        b'{"type": "anything", "payload": {"value": ' + b"9" * 5_000 + b"}}",
        b'{"type": "anything"} {"type": "anything"}',
    ],
)
@pytest.mark.mistake(4)
async def test_what_is_no_json_as_it_is_read_here_is_400(api, body):
    response = await _post(api, body)

    assert response.status_code == 400
    assert response.json()["code"] == "bad-request"


async def test_a_number_beyond_all_floats_is_422(api):
    response = await _post(api, b'{"type": "anything", "payload": {"value": 1e999}}')

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/payload"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"type": 5}, "/type"),
        ({"type": None}, "/type"),
        ({"type": "text.reverse\0"}, "/type"),
        ({"odd": 1}, "/odd"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"callback_url": "https://example.org/"}, "/callback_url"),
        ({"queue": ""}, "/queue"),
        ({"queue": "a\0b"}, "/queue"),
        ({"queue": 5}, "/queue"),
        ({"priority": 10}, "/priority"),
        ({"priority": -1}, "/priority"),
        ({"priority": "5"}, "/priority"),
        ({"priority": 5.5}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"delay": -1}, "/delay"),
        ({"delay": "5"}, "/delay"),
        ({"delay": True}, "/delay"),
        ({"delay": 1e300}, "/delay"),
        ({"run_at": "tomorrow"}, "/run_at"),
        ({"run_at": "2026-06-01T12:00:00"}, "/run_at"),
        ({"run_at": 1764585000}, "/run_at"),
        ({"run_at": "0001-01-01T00:00:00+14:00"}, "/run_at"),
        ({"run_at": "9999-12-31T23:59:59-14:00"}, "/run_at"),
        ({"delay": 1, "run_at": "2026-06-02T00:00:00Z"}, "/run_at"),
        ({"expires_at": "2026-05-01T00:00:00Z"}, "/expires_at"),
        ({"max_attempts": 0}, "/max_attempts"),
        ({"max_attempts": 1.5}, "/max_attempts"),
        ({"timeout": 0}, "/timeout"),
        ({"key": ""}, "/key"),
        ({"key": "a\0b"}, "/key"),
        ({"key": "a\nb"}, "/key"),
        ({"key": "a" * 201}, "/key"),
        ({"tags": "a"}, "/tags"),
        ({"tags": ["a", 5]}, "/tags/1"),
        ({"tags": ["a", "b\0"]}, "/tags/1"),
        ({"tags": ["a"] * 21}, "/tags"),
        ({"payload": {"text": 5}}, "/payload/text"),
        ({"payload": {}}, "/payload/text"),
        ({"payload": {"text": "a", "odd": 1}}, "/payload/odd"),
        ({"payload": None}, "/payload"),
        ({"payload": [1]}, "/payload"),
    ],
)
@pytest.mark.mistake(4)
@pytest.mark.standard(
    "RFC 9457", "3", "Several flaws of one kind are one problem, with a list of pointers as an extension."
)
async def test_what_does_not_fit_is_422_with_the_place(api, fields, pointer):
    response = await api.client.post("/v1/tasks", json=HELLO | fields)

    problem = response.json()
    assert response.status_code == 422
    assert problem["code"] == "invalid"
    assert pointer in [flaw["pointer"] for flaw in problem["errors"]]


@pytest.mark.parametrize(("body", "pointer"), [("[]", ""), ("5", ""), ("null", ""), ("{}", "/type")])
async def test_a_body_that_is_no_submission_is_422(api, body, pointer):
    response = await _post(api, body)

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer


async def test_all_places_are_named_at_once(api):
    response = await api.client.post("/v1/tasks", json={"type": "text.reverse", "priority": 10, "odd": 1})

    assert [flaw["pointer"] for flaw in response.json()["errors"]] == ["/payload", "/priority", "/odd"]


@pytest.mark.mistake(48)
@pytest.mark.standard("RFC 9457", "5", "A problem gives away nothing that is not meant for the client.")
async def test_what_is_wrong_does_not_repeat_what_was_sent(api):
    response = await api.client.post("/v1/tasks", json=HELLO | {"payload": {"text": 424242}, "delay": "s3cret"})

    assert "424242" not in response.text
    assert "s3cret" not in response.text


@pytest.mark.mistake(9)
async def test_an_unknown_type_is_422_with_its_own_code(api):
    response = await api.client.post("/v1/tasks", json=HELLO | {"type": "nobody"})

    assert response.status_code == 422
    assert response.json()["code"] == "unknown-type"
    assert response.json()["errors"] == [{"pointer": "/type", "detail": "unknown type 'nobody'"}]


async def test_a_null_option_is_the_default(api):
    task = await api.submit(queue=None, priority=None, delay=None, key=None)

    assert task["queue"] == "default"
    assert task["priority"] == 5


async def test_the_deepest_nesting_that_is_read_is_kept(api):
    value = json.loads("[" * 197 + "]" * 197)

    task = await api.submit(type="anything", payload={"value": value})

    assert task["payload"]["value"] == value


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "json"],
)
@pytest.mark.standard("RFC 9110", "15.5.16", "415: the content is in a form that is not read; Accept says which is.")
async def test_a_body_that_is_not_declared_json_is_415(api, content_type):
    headers = {} if content_type is None else {"content-type": content_type}

    response = await api.client.post("/v1/tasks", content=json.dumps(HELLO), headers=headers)

    assert response.status_code == 415
    assert response.json()["code"] == "unsupported-media-type"
    assert response.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/x+json"]
)
async def test_json_may_be_declared_in_several_ways(api, content_type):
    response = await _post(api, json.dumps(HELLO), {"content-type": content_type})

    assert response.status_code == 202


@pytest.mark.standard("RFC 9110", "12.5.3", "A content coding that is not read is 415 with Accept-Encoding.")
@pytest.mark.parametrize("codings", [["gzip"], ["identity", "gzip"], ["identity, gzip"]], ids=str)
async def test_a_compressed_body_is_415(api, codings):
    fields = [("content-type", "application/json"), *(("content-encoding", coding) for coding in codings)]

    response = await api.client.post("/v1/tasks", content=b"\x1f\x8b", headers=fields)

    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "identity"
    assert "accept" not in response.headers


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/batch"])
@pytest.mark.mistake(5)
@pytest.mark.standard("RFC 9110", "15.5.14", "413: the content is larger than is taken.")
async def test_a_body_of_2_mib_is_413(api, path):
    body = json.dumps(HELLO | {"payload": {"text": "x" * 2 * 1024 * 1024}})

    response = await api.client.post(path, content=body, headers=JSON)

    assert response.status_code == 413
    assert response.json()["code"] == "too-large"


async def test_a_declared_length_over_the_limit_is_413_before_the_body_is_read(api):
    async def body():
        raise AssertionError("nobody may read this")
        yield b""

    response = await api.client.post("/v1/tasks", content=body(), headers=JSON | {"content-length": "9" * 40})

    assert response.status_code == 413


async def test_a_body_of_unknown_length_is_413_as_soon_as_it_is_over_the_limit(api):
    read = []

    async def body():
        for chunk in [b"x" * 1024 * 1024, b"x", b"never read"]:
            read.append(chunk)
            yield chunk

    response = await api.client.post("/v1/tasks", content=body(), headers=JSON)

    assert response.status_code == 413
    assert len(read) == 2


async def test_the_limit_is_a_setting_and_a_body_of_just_that_size_is_read(store, handlers):
    body = json.dumps(HELLO)

    async with serving(store, handlers, limits=Limits(max_body=len(body))) as api:
        at_limit = await _post(api, body)
        over_limit = await _post(api, body + " ")

    assert at_limit.status_code == 202
    assert over_limit.status_code == 413


async def test_a_body_that_does_not_arrive_in_time_is_400(api, monkeypatch):
    monkeypatch.setattr(body, "PATIENCE", timedelta(milliseconds=10))

    async def slow():
        yield b"{"
        await asyncio.Event().wait()

    response = await api.client.post("/v1/tasks", content=slow(), headers=JSON)

    assert response.status_code == 400
    assert "did not arrive" in response.json()["detail"]


async def test_of_a_payload_with_thousands_of_flaws_the_first_hundred_are_named(api):
    """One of 1 MiB was answered with 30 MB, and nobody else was answered for more than a second."""
    payload = {"text": "hello"} | {f"odd{n}": n for n in range(5_000)}

    response = await api.client.post("/v1/tasks", json={"type": "text.reverse", "payload": payload})

    assert response.status_code == 422
    assert len(response.json()["errors"]) == 100


async def test_of_thousands_of_tags_those_are_looked_at_that_a_task_may_have(api):
    body = {"type": "text.reverse", "payload": {"text": "hello"}, "tags": [""] * 5_000}

    response = await api.client.post("/v1/tasks", json=body)

    assert response.status_code == 422
    assert len(response.json()["errors"]) == 21


async def test_of_a_batch_with_thousands_of_flaws_each_bad_item_is_named(api):
    payload = {"text": "hello"} | {f"odd{n}": n for n in range(50)}

    response = await api.client.post(
        "/v1/tasks/batch", json={"tasks": [{"type": "text.reverse", "payload": payload}] * 500}
    )

    named = [error["pointer"].split("/")[2] for error in response.json()["errors"]]
    assert list(dict.fromkeys(named)) == [str(n) for n in range(500)]
    assert len(named) == 20 * 50 + 480
