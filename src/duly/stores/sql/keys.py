"""The API keys, and the secret that tokens are signed with."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from duly.domain.identity import ApiKey, scopes_named
from duly.stores.sql.dialect import Sql
from duly.stores.sql.runner import Runner
from duly.stores.sql.schema import keys, secrets

_TOKENS = "tokens"


class SqlKeys:
    """A KeyStore."""

    def __init__(self, runner: Runner, sql: Sql) -> None:
        self._runner = runner
        self._sql = sql

    async def add(self, key: ApiKey) -> None:
        """See KeyStore."""
        await self._runner.write(partial(_add, sql=self._sql, key=key))

    async def find(self, key_id: str) -> ApiKey | None:
        """See KeyStore."""
        return await self._runner.read(partial(_find, key_id=key_id))

    async def all(self) -> list[ApiKey]:
        """See KeyStore."""
        return await self._runner.read(_all)

    async def revoke(self, key_id: str) -> ApiKey | None:
        """See KeyStore."""
        return await self._runner.write(partial(_revoke, sql=self._sql, key_id=key_id))

    async def used(self, key_id: str, at_most_every: timedelta) -> None:
        """See KeyStore."""
        await self._runner.write(partial(_used, sql=self._sql, key_id=key_id, at_most_every=at_most_every))

    async def signing_secret(self, fresh: str) -> str:
        """See KeyStore."""
        found = await self._runner.read(_secret)
        if found is not None:
            return found
        return await self._runner.write(partial(_put_secret, sql=self._sql, fresh=fresh))


def _add(connection: Connection, sql: Sql, key: ApiKey) -> None:
    row = {
        "id": key.id,
        "name": key.name,
        "digest": key.digest,
        "scopes": " ".join(sorted(key.scopes)),
        "queues": None if key.queues is None else json.dumps(sorted(key.queues)),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
    connection.execute(sql.dialect.insert_new(keys).values(**row))


def _find(connection: Connection, key_id: str) -> ApiKey | None:
    row = connection.execute(select(*keys.columns).where(keys.c.id == key_id)).one_or_none()
    return None if row is None else _key_of(row)


def _all(connection: Connection) -> list[ApiKey]:
    """All of them, in a page: there are as many as people and programs that ask."""
    statement = select(*keys.columns).order_by(keys.c.created_at, keys.c.id)
    return [_key_of(row) for row in connection.execute(statement)]


def _revoke(connection: Connection, sql: Sql, key_id: str) -> ApiKey | None:
    valid = (keys.c.id == key_id) & keys.c.revoked_at.is_(None)
    connection.execute(update(keys).where(valid).values(revoked_at=sql.moments.now()))
    return _find(connection, key_id)


def _used(connection: Connection, sql: Sql, key_id: str, at_most_every: timedelta) -> None:
    """Of several processes that note it at once, one writes."""
    stale = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at <= sql.moments.after(-at_most_every))
    connection.execute(update(keys).where(keys.c.id == key_id, stale).values(last_used_at=sql.moments.now()))


def _secret(connection: Connection) -> str | None:
    return connection.scalar(select(secrets.c.value).where(secrets.c.name == _TOKENS))


def _put_secret(connection: Connection, sql: Sql, fresh: str) -> str:
    row = {"name": _TOKENS, "value": fresh, "created_at": sql.moments.now()}
    connection.execute(sql.dialect.insert_new(secrets).values(**row))
    return _secret(connection) or fresh


def _key_of(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        digest=row.digest,
        scopes=scopes_named(row.scopes.split()),
        queues=None if row.queues is None else frozenset(json.loads(row.queues)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
