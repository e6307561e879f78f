"""`POST /v1/token`: client credentials as RFC 6749 has them."""

import base64
from datetime import timedelta

import jwt
import pytest

from duly.domain.identity import Scope
from tests.identity.conftest import OWN_SECRET

GRANT = {"grant_type": "client_credentials"}


def _basic(name, secret):
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


async def _token(api, key, **form):
    said = {"client_id": key.key.id, "client_secret": key.text}
    return await api.client.post("/v1/token", data=GRANT | said | form)


@pytest.mark.standard("RFC 6749", "4.4", "client credentials")
async def test_a_key_gets_a_token_that_opens_what_the_key_opens(api):
    answer = await _token(api, await api.new_key(Scope.READ))

    assert answer.status_code == 200
    token = answer.json()
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 900, "tasks:read")
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert (await api.ask("GET", "/v1/tasks", token["access_token"])).status_code == 200
    assert (await api.ask("POST", "/v1/queues/a/pause", token["access_token"])).status_code == 403


@pytest.mark.standard("RFC 6749", "2.3.1", "HTTP Basic")
async def test_the_client_may_say_who_it_is_by_basic_authentication(api):
    key = await api.new_key()

    answer = await api.client.post("/v1/token", data=GRANT, headers=_basic(key.key.id, key.text))

    assert answer.status_code == 200


async def test_a_token_may_hold_less_than_its_key_and_never_more(api):
    key = await api.new_key(Scope.READ, Scope.SUBMIT)

    less = await _token(api, key, scope="tasks:read")
    more = await _token(api, key, scope="tasks:read admin")

    assert less.json()["scope"] == "tasks:read"
    assert more.json()["scope"] == "tasks:read"


async def test_a_token_is_restricted_to_the_queues_of_its_key(api):
    token = (await _token(api, await api.new_key(queues=["media"]))).json()["access_token"]
    other = await api.submit(queue="default")

    assert (await api.ask("GET", f"/v1/tasks/{other}", token)).status_code == 404


async def test_a_token_ends_with_its_time_and_with_its_key(api):
    key, other = await api.new_key(), await api.new_key()
    tokens = [(await _token(api, one)).json()["access_token"] for one in (key, other)]
    await api.service.store.keys.revoke(key.key.id)
    api.clock.advance(timedelta(seconds=6))

    assert [(await api.ask("GET", "/v1/tasks", one)).status_code for one in tokens] == [401, 200]
    api.clock.advance(timedelta(minutes=16))

    assert [(await api.ask("GET", "/v1/tasks", one)).status_code for one in tokens] == [401, 401]


async def test_a_token_of_ours_cannot_be_made_to_say_more(api):
    token = (await _token(api, await api.new_key(Scope.READ))).json()["access_token"]
    claims = jwt.decode(token, OWN_SECRET, algorithms=["HS256"], audience="duly", options={"verify_exp": False})
    raised = jwt.encode(claims | {"scope": "admin"}, OWN_SECRET, algorithm="HS256", headers={"kid": "duly"})

    answer = await api.ask("POST", "/v1/queues/a/pause", raised)

    assert answer.status_code == 403


@pytest.mark.standard("RFC 6749", "5.2", "error response")
@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        (GRANT | {"scope": "everything"}, 400, "invalid_scope"),
        (GRANT | {"client_secret": "duly_wrong"}, 401, "invalid_client"),
        (GRANT | {"client_id": "duly_abcdefghijkl"}, 401, "invalid_client"),
        (GRANT | {"client_secret": ""}, 401, "invalid_client"),
    ],
)
async def test_errors_are_those_of_the_standard_in_a_problem_document(api, form, status, error):
    key = await api.new_key(Scope.READ)

    answer = await api.client.post("/v1/token", data={"client_id": key.key.id, "client_secret": key.text} | form)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == ("unauthorized" if status == 401 else "bad-request")
    assert answer.headers["cache-control"] == "no-store"
    assert key.text not in answer.text
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_a_scope_that_the_key_does_not_hold_is_refused(api):
    answer = await _token(api, await api.new_key(Scope.READ), scope="admin")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        ('{"grant_type": "client_credentials"}', {"content-type": "application/json"}),
        ("grant_type=client_credentials&grant_type=password", {"content-type": "application/x-www-form-urlencoded"}),
        (b"\xff=\xff", {"content-type": "application/x-www-form-urlencoded"}),
    ],
)
async def test_what_is_no_form_is_an_invalid_request(api, content, headers):
    answer = await api.client.post("/v1/token", content=content, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_client_that_says_twice_who_it_is_is_refused(api):
    key = await api.new_key()
    said = {"client_id": key.key.id, "client_secret": key.text}

    answer = await api.client.post("/v1/token", data=GRANT | said, headers=_basic(key.key.id, key.text))

    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize("header", ["Bearer x", "Basic", "Basic !!!", "Basic ZHVseQ==", "Basic /////w=="])
async def test_a_header_that_says_nothing_is_an_invalid_client(api, header):
    answer = await api.client.post("/v1/token", data=GRANT, headers={"authorization": header})

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
