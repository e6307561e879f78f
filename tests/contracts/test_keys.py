"""KeyStore: what is kept of API keys."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from duly.domain.identity import ApiKey, Scope
from tests.support.builders import NOON

MINUTE = timedelta(minutes=1)


def a_key(**given):
    defaults = {
        "id": "duly_abcdefghijkl",
        "name": "the shop",
        "digest": "d" * 64,
        "scopes": frozenset({Scope.SUBMIT, Scope.READ}),
        "created_at": NOON,
    }
    return ApiKey(**(defaults | given))


@pytest.mark.parametrize(
    "key",
    [
        a_key(),
        a_key(queues=frozenset({"default", "média, x"}), expires_at=NOON + MINUTE, name="Ünï"),
        a_key(queues=frozenset(), scopes=frozenset(Scope), last_used_at=NOON, revoked_at=NOON),
        a_key(scopes=frozenset()),
    ],
)
async def test_a_key_is_found_as_it_was_kept(store, key):
    await store.keys.add(key)

    assert await store.keys.find(key.id) == key
    assert await store.keys.all() == [key]


@pytest.mark.parametrize("other", ["duly_abcdefghijkm", "DULY_ABCDEFGHIJKL", "duly_abcdefghijkl ", ""])
async def test_another_id_finds_nothing(store, other):
    await store.keys.add(a_key())

    assert await store.keys.find(other) is None
    assert await store.keys.revoke(other) is None


async def test_keys_are_listed_the_oldest_first(store):
    young, old = a_key(), a_key(id="duly_mmmmmmmmmmmm", created_at=NOON - MINUTE)

    await store.keys.add(young)
    await store.keys.add(old)

    assert await store.keys.all() == [old, young]


async def test_a_key_that_is_there_is_not_overwritten(store):
    await store.keys.add(a_key())

    await store.keys.add(a_key(digest="e" * 64))

    assert await store.keys.find(a_key().id) == a_key()


async def test_a_key_is_revoked_once_and_stays_in_the_list(store, clock):
    await store.keys.add(a_key())
    clock.advance(MINUTE)
    revoked = replace(a_key(), revoked_at=NOON + MINUTE)

    assert await store.keys.revoke(a_key().id) == revoked
    clock.advance(MINUTE)

    assert await store.keys.revoke(a_key().id) == revoked
    assert await store.keys.all() == [revoked]


async def test_a_use_is_noted_at_most_once_a_minute(store, clock):
    await store.keys.add(a_key())
    noted = []

    for _ in range(4):
        await store.keys.used(a_key().id, MINUTE)
        noted.append((await store.keys.find(a_key().id)).last_used_at - NOON)
        clock.advance(timedelta(seconds=30))

    assert noted == [timedelta(), timedelta(), MINUTE, MINUTE]


async def test_the_use_of_a_key_that_is_gone_is_no_error(store):
    await store.keys.used("duly_nobody", MINUTE)

    assert await store.keys.all() == []


async def test_all_processes_of_a_database_have_one_signing_secret(open_store):
    stores = [await open_store(), await open_store()]

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(stores[n % 2].keys.signing_secret(f"fresh-{n}")) for n in range(10)]

    assert len({one.result() for one in asked}) == 1
    assert await stores[0].keys.signing_secret("later") == asked[0].result()
