"""JWTs: those of an issuer that the settings name, and our own, which stand for an API key for a short time."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt

from duly.domain.identity import ApiKey, Identity, Scope, scopes_named
from duly.engine.identity_jwks import Jwks
from duly.ports.clock import Clock

OURS = "duly"
"""The ``kid``, ``iss`` and ``aud`` of our own tokens."""

LONGEST = 8_192


class NotBelieved(Exception):
    """The token proves nothing; the message says why, to the log only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose tokens are believed. An empty secret and no ``jwks``: nobody's but our own."""

    secret: str = ""
    jwks: Jwks | None = None
    issuer: str = ""
    audience: str = ""
    leeway: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class OwnToken:
    """What a token of ours says: it holds no more than its key does when it is used."""

    key_id: str
    scopes: frozenset[Scope]


class Tokens:
    """Reads tokens, and makes ours. ``own_secret`` signs ours alone."""

    def __init__(self, trust: Trust, own_secret: str, clock: Clock) -> None:
        self._trust = trust
        self._own_secret = own_secret
        self._clock = clock

    def issue(self, key: ApiKey, scopes: frozenset[Scope], lifetime: timedelta) -> str:
        """A token that stands for this key, with these of its scopes."""
        now = self._clock.now()
        claims = {
            "iss": OURS,
            "aud": OURS,
            "sub": key.id,
            "scope": " ".join(sorted(scopes)),
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._own_secret, algorithm="HS256", headers={"kid": OURS, "typ": "at+jwt"})

    async def read(self, text: str) -> Identity | OwnToken:
        """Whom the token is about. Raises NotBelieved."""
        header = _header(text)
        if header.get("kid") == OURS:
            claims = self._claims(text, self._own_secret, "HS256", OURS, OURS)
            return OwnToken(str(claims["sub"]), _scopes(claims))
        key, algorithm = await self._key(header)
        return _identity(self._claims(text, key, algorithm, self._trust.issuer, self._trust.audience))

    async def _key(self, header: Mapping[str, Any]) -> tuple[str | jwt.PyJWK, str]:
        """The one key that may have signed it, and the one algorithm that this key signs with (RFC 8725 section 3.1).

        The token's own word on its algorithm chooses between the shared secret and the public keys; it never decides
        how a key is used.
        """
        if header.get("alg") == "HS256":
            if not self._trust.secret:
                raise NotBelieved("no shared secret is set")
            return self._trust.secret, "HS256"
        if self._trust.jwks is None:
            raise NotBelieved("no address of public keys is set")
        kid = header.get("kid")
        key = await self._trust.jwks.key(kid if isinstance(kid, str) else None)
        if key is None or key.algorithm_name != header.get("alg"):
            raise NotBelieved("no public key of this name and algorithm")
        return key, str(key.algorithm_name)

    def _claims(self, text: str, key: str | jwt.PyJWK, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        """Times are checked against our own clock, which follows the database's."""
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=[algorithm],
                issuer=issuer or None,
                audience=audience or None,
                options={"require": ["exp", "sub"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise NotBelieved(type(error).__name__) from error
        _check_times(claims, self._clock.now(), self._trust.leeway)
        return claims


def _header(text: str) -> Mapping[str, Any]:
    if len(text) > LONGEST:
        raise NotBelieved("too long")
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError) as error:
        raise NotBelieved(type(error).__name__) from error
    if "crit" in header or "b64" in header:
        raise NotBelieved("extensions that must be understood and are not")
    return header


def _check_times(claims: Mapping[str, Any], now: datetime, leeway: timedelta) -> None:
    at, slack = now.timestamp(), leeway.total_seconds()
    if not at < _seconds(claims["exp"]) + slack:
        raise NotBelieved("expired")
    if "nbf" in claims and at < _seconds(claims["nbf"]) - slack:
        raise NotBelieved("not valid yet")


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotBelieved("a time that is no number")
    return float(value)


def _identity(claims: Mapping[str, Any]) -> Identity:
    """The name is made of issuer and subject, and cannot be one of a key."""
    name = sha256(json.dumps([claims.get("iss"), claims["sub"]]).encode()).hexdigest()[:40]
    return Identity(f"jwt:{name}", _scopes(claims), _queues(claims))


def _scopes(claims: Mapping[str, Any]) -> frozenset[Scope]:
    given = claims.get("scope", "")
    match given:
        case str():
            return scopes_named(given.split())
        case list():
            return scopes_named([word for word in given if isinstance(word, str)])
        case _:
            raise NotBelieved("a scope that is no text")


def _queues(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """A claim that cannot be read must not open every queue."""
    given = claims.get("queues")
    if "queues" not in claims:
        return None
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise NotBelieved("queues that are no list of names")
    return frozenset(given)
