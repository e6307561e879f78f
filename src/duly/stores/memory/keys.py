"""The API keys."""

from dataclasses import replace
from datetime import timedelta

from duly.domain.identity import ApiKey
from duly.ports.clock import Clock
from duly.stores.memory.database import MemoryDatabase


class MemoryKeys:
    """A KeyStore."""

    def __init__(self, database: MemoryDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, key: ApiKey) -> None:
        """See KeyStore."""
        with self._database.lock:
            self._database.keys.setdefault(key.id, key)

    async def find(self, key_id: str) -> ApiKey | None:
        """See KeyStore."""
        with self._database.lock:
            return self._database.keys.get(key_id)

    async def all(self) -> list[ApiKey]:
        """See KeyStore."""
        with self._database.lock:
            return sorted(self._database.keys.values(), key=lambda key: (key.created_at, key.id))

    async def revoke(self, key_id: str) -> ApiKey | None:
        """See KeyStore."""
        with self._database.lock:
            key = self._database.keys.get(key_id)
            if key is not None and key.revoked_at is None:
                key = self._database.keys[key_id] = replace(key, revoked_at=self._clock.now())
            return key

    async def used(self, key_id: str, at_most_every: timedelta) -> None:
        """See KeyStore."""
        with self._database.lock:
            key, now = self._database.keys.get(key_id), self._clock.now()
            if key is not None and (key.last_used_at is None or key.last_used_at <= now - at_most_every):
                self._database.keys[key_id] = replace(key, last_used_at=now)

    async def signing_secret(self, fresh: str) -> str:
        """See KeyStore."""
        with self._database.lock:
            return self._database.secrets.setdefault("tokens", fresh)
