"""API keys: how they are made, and how one that is shown is found to be right."""

import asyncio
import hmac
import secrets
import string
from collections import OrderedDict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from weakref import WeakValueDictionary

from duly.domain.errors import StoreUnavailable
from duly.domain.identity import KEY, ApiKey, Scope
from duly.ports.clock import Clock
from duly.ports.identity import KeyStore

REMEMBERED_FOR = timedelta(seconds=5)
"""So long a revoked key may still be taken by a process that saw it just before."""

NOTED_EVERY = timedelta(minutes=1)
MOST = 10_000

_ID_LETTERS = string.ascii_lowercase + "234567"
_SECRET_LETTERS = string.ascii_letters + string.digits
_NOBODY = "0" * 64


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. ``text`` is the whole of it: shown once, kept nowhere."""

    key: ApiKey
    text: str


def new_key(
    name: str,
    scopes: Collection[Scope],
    *,
    now: datetime,
    queues: Collection[str] | None = None,
    lives: timedelta | None = None,
) -> NewKey:
    """Make a key from chance."""
    key_id = "duly_" + "".join(secrets.choice(_ID_LETTERS) for _ in range(12))
    text = f"{key_id}_" + "".join(secrets.choice(_SECRET_LETTERS) for _ in range(32))
    key = ApiKey(
        id=key_id,
        name=name,
        digest=digest(text),
        scopes=frozenset(scopes),
        queues=None if queues is None else frozenset(queues),
        created_at=now,
        expires_at=None if lives is None else now + lives,
    )
    return NewKey(key, text)


def digest(text: str) -> str:
    """What is kept of a key. One fast hash is enough: a secret of 190 random bits cannot be searched for."""
    return sha256(text.encode()).hexdigest()


class KeyRing:
    """Looks keys up, and remembers for a few seconds what it found: a busy client costs no query per request."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: OrderedDict[str, tuple[datetime, ApiKey]] = OrderedDict()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def familiar(self, text: str) -> bool:
        """Whether this whole key was found to be right here before."""
        found = KEY.fullmatch(text)
        seen = self._seen.get(found[1]) if found else None
        return seen is not None and _proves(text, seen[1])

    async def check(self, text: str) -> ApiKey | None:
        """The key that this text is, when it is valid; None: it proves nothing. Raises StoreUnavailable."""
        found = KEY.fullmatch(text)
        key = await self._find(found[1]) if found else None
        if not _proves(text, key) or key is None or not key.valid(self._clock.now()):
            return None
        await self._note(key)
        return key

    async def named(self, key_id: str) -> ApiKey | None:
        """The key with this id, when it is valid: for tokens that were given for it."""
        key = await self._find(key_id)
        return key if key is not None and key.valid(self._clock.now()) else None

    async def _find(self, key_id: str) -> ApiKey | None:
        """Many who come with one key at once, as after a wait, cost one query."""
        known = self._fresh(key_id)
        if known is not None:
            return known
        async with self._turns.setdefault(key_id, asyncio.Lock()):
            return self._fresh(key_id) or await self._look(key_id)

    def _fresh(self, key_id: str) -> ApiKey | None:
        at, key = self._seen.get(key_id, (None, None))
        return key if at is not None and self._clock.now() - at < REMEMBERED_FOR else None

    async def _look(self, key_id: str) -> ApiKey | None:
        now = self._clock.now()
        key = await self._store.find(key_id)
        if key is None:
            self._seen.pop(key_id, None)
        else:
            self._remember(now, key)
        return key

    def _remember(self, at: datetime, key: ApiKey) -> None:
        self._seen[key.id] = (at, key)
        self._seen.move_to_end(key.id)
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)

    async def _note(self, key: ApiKey) -> None:
        """That a use cannot be noted now is no reason to refuse it."""
        now = self._clock.now()
        if key.last_used_at is not None and now - key.last_used_at < NOTED_EVERY:
            return
        self._remember(self._seen.get(key.id, (now, key))[0], replace(key, last_used_at=now))
        with suppress(StoreUnavailable):
            await self._store.used(key.id, NOTED_EVERY)


def _proves(text: str, key: ApiKey | None) -> bool:
    """Compared in constant time, and also when there is nothing to compare with."""
    return hmac.compare_digest(digest(text), _NOBODY if key is None else key.digest)
