"""Who asks: an API key or a JWT, believed or not. What they may do is decided by whoever asks this."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

from duly.domain.errors import StoreUnavailable, TooMany
from duly.domain.identity import KEY_ID, ApiKey, Identity, Scope, Unauthorized
from duly.engine.buckets import Buckets
from duly.engine.identity_jwt import NotBelieved, Tokens
from duly.engine.identity_keys import MOST, KeyRing, digest
from duly.ports.telemetry import Emit

FAILURES = 20
FAILURES_IN = timedelta(minutes=1)
"""So many attempts of one address may fail in that time; further ones are not even looked at."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A token that was made for a key."""

    token: str
    scopes: frozenset[Scope]
    lifetime: timedelta


class Access:
    """Nobody who said nothing, or said something that proves nothing, gets in."""

    def __init__(
        self, ring: KeyRing, tokens: Tokens, *, lifetime: timedelta, now: Callable[[], float], emit: Emit
    ) -> None:
        self._ring = ring
        self._tokens = tokens
        self._lifetime = lifetime
        self._failures = Buckets(FAILURES, FAILURES_IN, now)
        self._good: OrderedDict[str, None] = OrderedDict()
        self._emit = emit

    async def identify(self, credential: str, address: str) -> Identity:
        """Whose credential this is. Raises Unauthorized, TooMany, StoreUnavailable."""
        self._admit(credential, address)
        try:
            return await self._believed(credential)
        except NotBelieved as error:
            raise self._refused(credential, address, str(error)) from None

    async def still(self, credential: str) -> bool:
        """Whether a credential that was good is good yet. While nobody can tell, it is."""
        try:
            await self._believed(credential)
        except NotBelieved:
            return False
        except StoreUnavailable:
            return True
        return True

    async def grant(self, key_id: str, text: str, wanted: frozenset[Scope] | None, address: str) -> Granted:
        """A token for this key and its id, with these of its scopes or with all. Raises as ``identify`` does."""
        self._admit(text, address)
        try:
            key = await self._key(text, key_id)
        except NotBelieved as error:
            raise self._refused(text, address, str(error)) from None
        scopes = _held(key, wanted)
        return Granted(self._tokens.issue(key, scopes, self._lifetime), scopes, self._lifetime)

    async def _believed(self, credential: str) -> Identity:
        if credential.startswith("duly_"):
            return (await self._key(credential)).identity
        return await self._bearer(credential)

    async def _key(self, text: str, key_id: str | None = None) -> ApiKey:
        key = await self._ring.check(text)
        if key is None or key_id not in (None, key.id):
            raise NotBelieved("no valid key")
        return key

    async def _bearer(self, text: str) -> Identity:
        found = await self._tokens.read(text)
        self._remember(text)
        if isinstance(found, Identity):
            return found
        key = await self._ring.named(found.key_id)
        if key is None:
            raise NotBelieved("its key is not valid any more")
        return Identity(key.identity.name, _held(key, found.scopes), key.queues)

    def _remember(self, token: str) -> None:
        self._good[digest(token)] = None
        if len(self._good) > MOST:
            self._good.popitem(last=False)

    def _admit(self, credential: str, address: str) -> None:
        """Behind a proxy all clients have one address: who is known is looked at whatever the others do."""
        level = self._failures.look(network_of(address))
        if not level.allowed and not self._ring.familiar(credential) and digest(credential) not in self._good:
            raise TooMany("Too many failed attempts from this address.", level.refill)

    def _refused(self, credential: str, address: str, why: str) -> Unauthorized:
        """Told with the address and, of a key, its public part; nothing else of what was sent."""
        level = self._failures.take(network_of(address))
        named = KEY_ID.match(credential)
        facts: Mapping[str, object] = {"address": address, "key": named[0] if named else None, "why": why}
        self._emit("identity.refused", facts)
        if level.left == 0:
            self._emit("identity.throttled", {"address": address})
        return Unauthorized("The credential is not valid, has expired or was revoked.", given=True)


def network_of(address: str) -> str:
    """What one party holds: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else parsed.packed[:8].hex()


def _held(key: ApiKey, wanted: frozenset[Scope] | None) -> frozenset[Scope]:
    """The scopes of the key that are wanted; ``admin`` holds them all."""
    if wanted is None:
        return key.scopes
    return frozenset(scope for scope in wanted if key.identity.holds(scope))
