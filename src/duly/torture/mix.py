"""What clients submit, by chance that a seed decides."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random
from uuid import UUID

from duly.torture.records import Json

KEYED = 0.5
DELAYED = 0.1
TOLD = 0.1
"""How many have an Idempotency-Key, a delay, a callback."""


class Follow(Enum):
    """What the client does after a submit was accepted."""

    NOTHING = 0
    GET = 1
    WAIT = 2
    STREAM = 3
    CANCEL = 4
    RETRY = 5
    LIST = 6


@dataclass(frozen=True, slots=True)
class Wish:
    """One submit, and what follows."""

    body: Json
    key: str | None
    follow: Follow


def a_wish(random: Random, told_at: str) -> Wish:
    """The next of a client."""
    name = random.choices(list(PAYLOADS), WEIGHTS)[0]
    body: Json = {"type": f"torture.{name}", "payload": PAYLOADS[name](random), "priority": random.randint(3, 7)}
    if random.random() < DELAYED:
        body["delay"] = round(random.uniform(0.3, 3), 2)
    if random.random() < TOLD:
        body["callback_url"] = told_at
    key = str(UUID(int=random.getrandbits(128))) if random.random() < KEYED else None
    return Wish(body, key, _follow(name, random))


def deadly() -> Wish:
    """The one that kills its worker, again and again."""
    return Wish({"type": "torture.deadly", "payload": {}}, None, Follow.GET)


def _follow(name: str, random: Random) -> Follow:
    if name == "cancellable":
        return random.choices([Follow.CANCEL, Follow.STREAM], [8, 2])[0]
    if name == "failing":
        return random.choices([Follow.RETRY, Follow.WAIT], [3, 7])[0]
    return random.choices(list(Follow), [25, 20, 25, 12, 8, 0, 10])[0]


PAYLOADS: dict[str, Callable[[Random], Json]] = {
    "echo": lambda random: {"number": random.randint(0, 10**6)},
    "slow": lambda random: {"seconds": round(random.uniform(0.05, 0.6), 2)},
    "blocking": lambda random: {"seconds": round(random.uniform(0.05, 0.8), 2)},
    "telling": lambda random: {"seconds": round(random.uniform(0.3, 2), 2)},
    "cancellable": lambda random: {"seconds": round(random.uniform(0.5, 4), 2)},
    "failing": lambda _: {},
    "retried": lambda random: {"number": random.randint(0, 10**6)},
}
WEIGHTS = (56, 10, 5, 7, 9, 4, 9)
