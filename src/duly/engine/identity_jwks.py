"""The public keys of an issuer of JWTs: fetched when needed, kept, fetched again when one is missing."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import timedelta

import jwt

from duly.ports.identity import KeySource, KeysUnavailable
from duly.ports.telemetry import Emit

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
KEPT = timedelta(minutes=10)
"""A key that the issuer took back is believed for no longer."""

AGAIN = timedelta(seconds=30)
"""However many tokens name keys that nobody knows, the issuer is asked no more often."""


class Jwks:
    """``now`` counts seconds and never goes back."""

    def __init__(self, source: KeySource, now: Callable[[], float], emit: Emit) -> None:
        self._source = source
        self._now = now
        self._emit = emit
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._turn = asyncio.Lock()

    async def key(self, kid: str | None) -> jwt.PyJWK | None:
        """The key of this name; without a name the only one there is. None: there is none, or it cannot be known."""
        if not self._has(kid):
            async with self._turn:
                if not self._has(kid) and self._may_ask():
                    await self._fetch()
        return self._keys.get(kid) if self._fresh() else None

    def _has(self, kid: str | None) -> bool:
        return kid in self._keys and self._fresh()

    def _fresh(self) -> bool:
        return self._fetched_at is not None and self._now() - self._fetched_at < KEPT.total_seconds()

    def _may_ask(self) -> bool:
        return self._tried_at is None or self._now() - self._tried_at >= AGAIN.total_seconds()

    async def _fetch(self) -> None:
        """What was known stays so until its time is over when the issuer cannot be reached."""
        tried_at, self._tried_at = self._tried_at, self._now()
        try:
            self._keys = keys_of(await self._source.fetch())
        except (KeysUnavailable, ValueError) as error:
            self._emit("jwks.unavailable", {"error": str(error)})
            return
        except asyncio.CancelledError:  # whoever asked has left, which tells nothing of the issuer
            self._tried_at = tried_at
            raise
        self._fetched_at = self._now()
        self._emit("jwks.fetched", {"keys": len(self._keys)})


def keys_of(document: bytes) -> dict[str | None, jwt.PyJWK]:
    """The keys that are of use here, by name. Raises ValueError when it is no JWK Set.

    A shared secret in it is left out: taken for one, a public document would sign tokens.
    """
    parsed = json.loads(document)
    listed = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWK Set")  # noqa: TRY004  # the caller's one error for what cannot be read
    keys = [(one.get("kid"), key) for one in listed if isinstance(one, dict) and (key := _key_of(one)) is not None]
    found: dict[str | None, jwt.PyJWK] = {name: key for name, key in keys if isinstance(name, str)}
    if len(keys) == 1:
        found[None] = keys[0][1]
    return found


def _key_of(parameters: dict[str, object]) -> jwt.PyJWK | None:
    if parameters.get("kty") not in ("RSA", "EC", "OKP") or parameters.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(parameters)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None  # a key of a kind that is not known here hinders nobody
    return key if key.algorithm_name in ALGORITHMS else None
