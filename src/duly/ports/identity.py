"""Where API keys are kept."""

from datetime import timedelta
from typing import Protocol

from duly.domain.identity import ApiKey


class KeyStore(Protocol):
    """The API keys, and the secret that this database's own tokens are signed with."""

    async def add(self, key: ApiKey) -> None:
        """Keep a new key. Repeated with the same id, it changes nothing."""
        ...

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with this id, also one that has expired or was revoked."""
        ...

    async def all(self) -> list[ApiKey]:
        """Every key, the oldest first."""
        ...

    async def revoke(self, key_id: str) -> ApiKey | None:
        """Make it useless from now on; revoked again, it keeps the time of the first. None: there is no such key."""
        ...

    async def used(self, key_id: str, at_most_every: timedelta) -> None:
        """Note that it was used now, unless that was noted within this time."""
        ...

    async def signing_secret(self, fresh: str) -> str:
        """The secret of this database: ``fresh`` if there was none before, whoever of several asks first."""
        ...


class KeysUnavailable(Exception):
    """The public keys of an issuer of JWTs could not be fetched."""


class KeySource(Protocol):
    """Where an issuer of JWTs publishes its public keys."""

    async def fetch(self) -> bytes:
        """Its JWK Set, as JSON. Raises KeysUnavailable."""
        ...
