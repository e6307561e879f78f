"""What is submitted to a pair, and how each must end."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Any

from benchmarks.pairs.app import ROUNDS

REASONS: Mapping[str, str | None] = {"completed": None, "failed": "handler_error", "cancelled": "cancelled"}


class Cancel(Enum):
    """When somebody asks for the task's cancel."""

    NEVER = auto()
    AT_ONCE = auto()
    RUNNING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A task to be; the states in which it may end, with its result and its failures."""

    body: Mapping[str, Any]
    ends: tuple[str, ...] = ("completed",)
    result: object = None
    failures: int = 0
    cancel: Cancel = Cancel.NEVER

    @property
    def delay(self) -> float:
        """Seconds before which it must not start."""
        return float(self.body.get("delay", 0))


def a_mix(count: int, random: Random) -> list[Item]:
    """So many items in random order, every kind among them, of all priorities."""
    kinds = list(WEIGHTS)
    chosen = kinds + random.choices(kinds, weights=[WEIGHTS[kind] for kind in kinds], k=count - len(kinds))
    items = [kind(random) for kind in chosen]
    random.shuffle(items)
    return items


def _body(random: Random, type_name: str, payload: Mapping[str, Any], **fields: Any) -> Mapping[str, Any]:
    return {"type": type_name, "payload": payload, "priority": random.randrange(10), **fields}


def _fast(random: Random) -> Item:
    number = random.randrange(1_000_000)
    return Item(body=_body(random, "pair.fast", {"number": number}), result=number)


def _delayed(random: Random) -> Item:
    number = random.randrange(1_000_000)
    return Item(body=_body(random, "pair.fast", {"number": number}, delay=random.uniform(1, 6)), result=number)


def _slow(random: Random) -> Item:
    number = random.randrange(8)
    digest = hashlib.pbkdf2_hmac("sha256", str(number).encode(), b"duly", ROUNDS).hex()
    return Item(body=_body(random, "pair.slow", {"number": number}), result=digest)


def _fail(random: Random) -> Item:
    return Item(body=_body(random, "pair.fail", {}), ends=("failed",), failures=1)


def _spend(random: Random) -> Item:
    return Item(body=_body(random, "pair.spend", {}), ends=("failed",), failures=3)


def _retry(random: Random) -> Item:
    number = random.randrange(1_000_000)
    return Item(body=_body(random, "pair.retry", {"number": number}), result=number, failures=2)


def _cancelled_while_delayed(random: Random) -> Item:
    body = _body(random, "pair.fast", {"number": 0}, delay=3600)
    return Item(body=body, ends=("cancelled",), cancel=Cancel.AT_ONCE)


def _cancelled_at_once(random: Random) -> Item:
    """Who comes first, the worker or the cancel, is open."""
    body = _body(random, "pair.slow", {"number": 0})
    digest = hashlib.pbkdf2_hmac("sha256", b"0", b"duly", ROUNDS).hex()
    return Item(body=body, ends=("cancelled", "completed"), result=digest, cancel=Cancel.AT_ONCE)


def _held(random: Random) -> Item:
    return Item(body=_body(random, "pair.hold", {}), ends=("cancelled",), cancel=Cancel.RUNNING)


WEIGHTS: dict[Callable[[Random], Item], float] = {
    _fast: 50,
    _delayed: 16,
    _slow: 8,
    _fail: 5,
    _spend: 5,
    _retry: 8,
    _cancelled_while_delayed: 3,
    _cancelled_at_once: 3,
    _held: 2,
}
