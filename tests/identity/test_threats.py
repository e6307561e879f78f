"""What the page on security says that an attacker can do, and where it ends."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest
from redis.asyncio import Redis

from duly.api.app import create_app
from duly.assembly import migrate, open_core
from duly.client import AsyncClient, RemoteError
from duly.domain import codec
from duly.domain.identity import Scope
from duly.domain.state import State
from duly.engine.identity_keys import new_key
from duly.settings import load_settings
from tests.support.receiver import receiving
from tests.support.servers import RedisServer, ended
from tests.support.serving import client_of, handlers_of

SECRET = "a-secret-of-the-settings-" + "s" * 32


async def echo(text: str) -> str:
    return text


def forged(secret: str, key_id: str) -> dict[str, str]:
    """A token as Duly would make it for this key, by somebody who has the secret and not the key."""
    now = datetime.now(UTC)
    claims = {
        "iss": "duly",
        "aud": "duly",
        "sub": key_id,
        "scope": "admin",
        "iat": now,
        "exp": now + timedelta(hours=1),
    }
    token = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": "duly"})
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("settings", "scope", "status"),
    [
        ({}, Scope.ADMIN, 200),
        ({}, Scope.SUBMIT, 403),
        ({"jwt_secret": SECRET}, Scope.ADMIN, 401),
    ],
    ids=["it stands for a key", "it can do no more than that key", "a secret of the settings shuts it out"],
)
async def test_who_reads_the_databases_signing_secret_stands_for_its_keys(sqlite_url, settings, scope, status):
    settings = load_settings({"database_url": sqlite_url, "auth": "required"} | settings)
    await migrate(settings)
    async with open_core(settings, handlers_of(echo=echo)) as core:
        keys = core.service.store.keys
        victim = new_key("victim", [scope], now=datetime.now(UTC))
        await keys.add(victim.key)
        stolen = await keys.signing_secret("it is there already" if not settings.jwt_secret else "d" * 64)
        async with client_of(create_app(core.service)) as client:
            answer = await client.get("/v1/tasks", headers=forged(stolen, victim.key.id))

    assert answer.status_code == status


async def test_without_a_key_in_force_the_databases_signing_secret_opens_nothing(sqlite_url):
    settings = load_settings({"database_url": sqlite_url, "auth": "required"})
    await migrate(settings)
    async with open_core(settings, handlers_of(echo=echo)) as core:
        keys = core.service.store.keys
        revoked = new_key("revoked", [Scope.ADMIN], now=datetime.now(UTC))
        await keys.add(revoked.key)
        await keys.revoke(revoked.key.id)
        stolen = await keys.signing_secret("it is there already")
        async with client_of(create_app(core.service)) as client:
            answers = [
                await client.get("/v1/tasks", headers=forged(stolen, key_id))
                for key_id in (revoked.key.id, "duly_abcdefghijkl", "")
            ]

    assert [answer.status_code for answer in answers] == [401, 401, 401]


async def test_who_writes_to_the_cache_can_lie_to_readers_and_change_nothing(sqlite_url, tmp_path):
    with ended(RedisServer(tmp_path)) as redis:
        settings = load_settings({"database_url": sqlite_url, "cache_url": redis.url})
        await migrate(settings)
        async with open_core(settings, handlers_of(echo=echo)) as core, client_of(create_app(core.service)) as client:
            task = (await client.post("/v1/tasks", json={"type": "echo", "payload": {"text": "a"}})).json()
            stored = (await core.service.store.tasks.get([UUID(task["id"])]))[UUID(task["id"])]
            lie = stored._replace(state=State.COMPLETED, result='"a lie"', version=99)
            raw = b"99.0 " + codec.encode(lie)
            await _written(redis.url, f"duly:task:{stored.id.hex}", raw)
            read = (await client.get(f"/v1/tasks/{task['id']}")).json()
            cancelled = await client.post(f"/v1/tasks/{task['id']}/cancel")
            after = (await core.service.store.tasks.get([stored.id]))[stored.id]

    assert (read["state"], read["result"]) == ("completed", "a lie")
    assert (cancelled.status_code, after.state, after.result) == (200, State.CANCELLED, None)


async def test_the_client_takes_its_key_to_no_other_address():
    async with (
        receiving(200) as elsewhere,
        receiving((307, {"location": elsewhere.url})) as service,
        AsyncClient(f"http://127.0.0.1:{service.port}", key="duly_k", retries=0) as client,
    ):
        with pytest.raises(RemoteError):
            await client.submit("echo", {"text": "a"})

    assert service.calls[0].headers["authorization"] == "Bearer duly_k"
    assert elsewhere.calls == []


async def _written(url: str, key: str, value: bytes) -> None:
    async with Redis.from_url(url) as client:
        await client.set(key, value)
