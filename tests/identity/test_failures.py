"""Failed attempts are limited, and no secret is told to anybody."""

import asyncio
import logging
from datetime import timedelta

import pytest
import structlog

from duly.domain.identity import Scope
from duly.engine.identity import FAILURES, network_of
from duly.engine.identity_keys import new_key
from tests.support.builders import NOON

MINUTE = timedelta(minutes=1)


async def _fail(api, times):
    for _ in range(times):
        wrong = new_key("x", [Scope.ADMIN], now=NOON).text
        answer = await api.ask("GET", "/v1/tasks", wrong)
    return answer


async def test_after_too_many_failures_an_address_is_429_and_later_not(api):
    last = await _fail(api, FAILURES)

    answer = await _fail(api, 1)
    api.timer.advance(MINUTE)
    later = await _fail(api, 1)

    assert last.status_code == 401
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "too-many", "3")
    assert later.status_code == 401


async def test_a_key_that_was_right_before_gets_in_whatever_others_at_its_address_do(api):
    known, unknown = await api.key(), await api.key()
    await api.ask("GET", "/v1/tasks", known)
    await _fail(api, FAILURES)

    statuses = [(await api.ask("GET", "/v1/tasks", key)).status_code for key in (known, unknown)]

    assert statuses == [200, 429]


async def test_a_token_that_was_right_before_gets_in_whatever_others_at_its_address_do(api):
    """Whoever made failures enough from behind the same proxy kept everybody out who came with a token."""
    made = await api.new_key()
    form = {"grant_type": "client_credentials", "client_id": made.key.id, "client_secret": made.text}
    known, unknown = [(await api.client.post("/v1/token", data=form)).json()["access_token"] for _ in range(2)]
    await api.ask("GET", "/v1/tasks", known)
    await _fail(api, FAILURES)

    statuses = [(await api.ask("GET", "/v1/tasks", token)).status_code for token in (known, unknown)]

    assert statuses == [200, 429]


async def test_an_attempt_over_the_limit_costs_no_query(api):
    await _fail(api, FAILURES)
    unknown = await api.new_key()

    await api.ask("GET", "/v1/tasks", unknown.text)

    assert (await api.service.store.keys.find(unknown.key.id)).last_used_at is None


async def test_guessing_at_the_token_route_is_limited_too(api):
    form = {"grant_type": "client_credentials", "client_id": "duly_abcdefghijkl", "client_secret": "x"}

    answers = [await api.client.post("/v1/token", data=form) for _ in range(FAILURES + 1)]

    assert [answer.status_code for answer in answers[-2:]] == [401, 429]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "unix", False),
    ],
)
def test_an_address_is_what_one_party_holds(one, other, same):
    assert (network_of(one) == network_of(other)) is same


@pytest.mark.mistake(48)
async def test_no_secret_is_told_in_logs_answers_or_events(api, caplog):
    caplog.set_level(logging.DEBUG)
    good, revoked = await api.new_key(), await api.new_key()
    await api.service.store.keys.revoke(revoked.key.id)
    secrets = [good.text, revoked.text, good.text[:-1] + "!", "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0Y2xhaW0.c2VjcmV0c2ln"]

    with structlog.testing.capture_logs() as lines:
        answers = [await api.ask("GET", "/v1/tasks", text) for text in secrets]
        form = {"grant_type": "client_credentials", "client_id": good.key.id}
        answers += [await api.client.post("/v1/token", data=form | {"client_secret": text}) for text in secrets[1:]]

    heard = f"{lines} {caplog.text} {api.told} {[(a.text, a.headers) for a in answers]}"
    for text in secrets:
        assert text not in heard
        assert text.rpartition("_")[2].rpartition(".")[2] not in heard
    refused = [facts for name, facts in api.told if name == "identity.refused"]
    assert {facts["key"] for facts in refused} == {good.key.id, revoked.key.id, None}


async def test_of_a_key_only_its_digest_is_kept(api):
    made = await api.new_key()

    kept = await api.service.store.keys.find(made.key.id)

    assert made.text.rpartition("_")[2] not in repr(kept)
    assert len(made.text.rpartition("_")[2]) == 32


async def test_a_use_is_noted_about_once_a_minute(api):
    made = await api.new_key()
    noted = []

    for _ in range(5):
        await api.ask("GET", "/v1/tasks", made.text)
        noted.append((await api.service.store.keys.find(made.key.id)).last_used_at - NOON)
        api.clock.advance(timedelta(seconds=25))

    assert noted == [timedelta(), timedelta(), timedelta(), 75 * timedelta(seconds=1), 75 * timedelta(seconds=1)]


async def test_many_who_come_with_one_key_at_once_cost_one_query(api, monkeypatch):
    """Each of a thousand whose wait was over at the same time had the key looked up once more."""
    made, kept, asked = await api.new_key(), type(api.service.store.keys), []
    find = kept.find

    async def counted(self, key_id):
        asked.append(key_id)
        await asyncio.sleep(0)
        return await find(self, key_id)

    monkeypatch.setattr(kept, "find", counted)
    answers = await asyncio.gather(*(api.ask("GET", "/v1/tasks", made.text) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert asked == [made.key.id]


async def test_a_revoked_key_is_refused_within_five_seconds(api):
    made = await api.new_key()
    await api.ask("GET", "/v1/tasks", made.text)
    await api.service.store.keys.revoke(made.key.id)

    api.clock.advance(timedelta(seconds=5))

    assert (await api.ask("GET", "/v1/tasks", made.text)).status_code == 401
