"""Who is let in, and how often: made from the settings."""

import time
from dataclasses import dataclass
from secrets import token_hex
from urllib.parse import urlsplit

from jwt.algorithms import has_crypto

from duly.domain.amounts import rate_of
from duly.domain.errors import Misconfigured
from duly.engine.buckets import Buckets
from duly.engine.identity import Access
from duly.engine.identity_jwks import Jwks
from duly.engine.identity_jwt import Tokens, Trust
from duly.engine.identity_keys import KeyRing
from duly.engine.quotas import Kind, Quotas, Shared
from duly.links.jwks import HttpJwks
from duly.ports.counter import Counter
from duly.ports.store import Store
from duly.ports.telemetry import Emit
from duly.settings import PREFIX, Settings
from duly.settings_rules import auth_required, is_loopback


@dataclass(frozen=True, slots=True)
class Entrance:
    """None: nobody is asked, nothing is counted."""

    access: Access | None
    quotas: Quotas | None


async def open_entrance(settings: Settings, store: Store, counter: Counter | None, emit: Emit) -> Entrance:
    """Raises Misconfigured, StoreUnavailable."""
    access = await _access(settings, store, emit) if auth_required(settings) else None
    shared = None if counter is None else Shared(counter, time.monotonic, emit)
    return Entrance(access, _quotas(settings, shared))


async def _access(settings: Settings, store: Store, emit: Emit) -> Access:
    trust = Trust(
        secret=settings.jwt_secret,
        jwks=_jwks(settings, emit),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway=settings.jwt_leeway,
    )
    own = settings.jwt_secret or await store.keys.signing_secret(token_hex(32))
    ring = KeyRing(store.keys, store.clock)
    tokens = Tokens(trust, own, store.clock)
    return Access(ring, tokens, lifetime=settings.token_lifetime, now=time.monotonic, emit=emit)


def _jwks(settings: Settings, emit: Emit) -> Jwks | None:
    url = settings.jwt_jwks_url
    if not url:
        return None
    address = urlsplit(url)
    if address.scheme != "https" and not (address.scheme == "http" and is_loopback(address.hostname or "")):
        raise Misconfigured(f"{PREFIX}JWT_JWKS_URL must be an https address: whoever changes the keys gets in.")
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise Misconfigured(
            f"{PREFIX}JWT_JWKS_URL needs {PREFIX}JWT_ISSUER and {PREFIX}JWT_AUDIENCE: an issuer signs for others too."
        )
    if not has_crypto:
        raise Misconfigured(f"{PREFIX}JWT_JWKS_URL needs a library: pip install 'duly[jwt]'.")
    return Jwks(HttpJwks(url), time.monotonic, emit)


def _quotas(settings: Settings, shared: Shared | None) -> Quotas | None:
    rates = {
        Kind.SUBMIT: rate_of(settings.limit_submit),
        Kind.READ: rate_of(settings.limit_read),
        Kind.CONTROL: rate_of(settings.limit_control),
    }
    buckets = {kind: Buckets(*rate, time.monotonic) for kind, rate in rates.items() if rate is not None}
    return Quotas(buckets, shared) if buckets else None
