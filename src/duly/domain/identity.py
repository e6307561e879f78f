"""Who asks, and what they may do: scopes, identities, the keys that prove them, and the errors of those who may not.

DulyError
├── Unauthorized             whoever asks has not said who they are, or not so that it can be believed
└── Forbidden                whoever asks may not do this
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from duly.domain.errors import DulyError

KEY_ID = re.compile(r"duly_[a-z2-7]{12}")
"""The part of a key that may be shown: it names the key and proves nothing."""

KEY = re.compile(rf"({KEY_ID.pattern})_[A-Za-z0-9]{{32}}")
"""A whole key: its id, and 32 characters of a secret (190 bits)."""


class Scope(StrEnum):
    """One right."""

    SUBMIT = "tasks:submit"
    READ = "tasks:read"
    CONTROL = "tasks:control"
    QUEUES = "queues:control"
    WORKER = "worker"
    ADMIN = "admin"
    """Every right."""


class Unauthorized(DulyError):
    """Nobody said who they are, or what they said proves nothing. ``given``: something was said."""

    code = "unauthorized"

    def __init__(self, detail: str, *, given: bool = False) -> None:
        super().__init__(detail)
        self.given = given


class Forbidden(DulyError):
    """Whoever asks may not. ``scopes``: one of these would be needed."""

    code = "forbidden"

    def __init__(self, detail: str, scopes: Collection[Scope] = ()) -> None:
        super().__init__(detail)
        self.scopes = tuple(scopes)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who asks. ``queues`` None: all of them."""

    name: str
    """Unique for ever: what belongs to one name is never another's."""
    scopes: frozenset[Scope]
    queues: frozenset[str] | None = None

    def holds(self, *wanted: Scope) -> bool:
        """Whether one of these rights is held; nothing wanted is held by everybody."""
        return not wanted or Scope.ADMIN in self.scopes or not self.scopes.isdisjoint(wanted)

    def sees(self, queue: str) -> bool:
        """Whether the queue, and what is in it, exists for this identity."""
        return self.queues is None or queue in self.queues


ANYBODY = Identity("anonymous", frozenset(Scope))
"""Whoever reaches a service that asks nobody who they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept: all but its secret, of which only the digest is known."""

    id: str
    name: str
    """For people: whose it is, or what for."""
    digest: str
    """SHA-256 of the whole key, in hexadecimal."""
    scopes: frozenset[Scope]
    queues: frozenset[str] | None = None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    """Right to about a minute."""
    revoked_at: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def identity(self) -> Identity:
        """Who holds it."""
        return Identity(f"key:{self.id}", self.scopes, self.queues)


def scopes_named(words: Collection[str]) -> frozenset[Scope]:
    """The scopes among these words; others mean nothing here."""
    return frozenset(scope for scope in Scope if scope.value in words)
