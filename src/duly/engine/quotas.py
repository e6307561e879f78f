"""How much each identity may ask for, by kind of request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from duly.engine.buckets import Buckets, Level
from duly.ports.counter import Counter, CounterUnavailable, Taken
from duly.ports.telemetry import Emit

AWAY = timedelta(seconds=5)
"""So long each process counts for itself before a counter that was away is asked again."""


THERE = float("-inf")


class Kind(StrEnum):
    """What a request costs the service."""

    SUBMIT = "submit"
    READ = "read"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Charge:
    """One request, counted."""

    kind: Kind
    buckets: Buckets
    level: Level


@dataclass(frozen=True, slots=True)
class Shared:
    """What counts for all processes."""

    counter: Counter
    now: Callable[[], float]
    emit: Emit


class Quotas:
    """A kind without buckets is not counted. ``shared`` None, or away: in this process alone."""

    def __init__(self, buckets: Mapping[Kind, Buckets], shared: Shared | None = None) -> None:
        self._buckets = buckets
        self._shared = shared
        self._away_until = THERE

    async def charge(self, name: str, kind: Kind) -> Charge | None:
        """Count one request of this identity; None: it is not counted."""
        buckets = self._buckets.get(kind)
        if buckets is None:
            return None
        taken = await self._ask(buckets, f"{kind}:{name}", 1, owed=False)
        return Charge(kind, buckets, buckets.take(name) if taken is None else _level(buckets, taken))

    async def owe(self, name: str, charge: Charge, tokens: int) -> Charge:
        """Count so many more for a request that was let in."""
        buckets = charge.buckets
        taken = await self._ask(buckets, f"{charge.kind}:{name}", tokens, owed=True)
        level = buckets.owe(name, tokens) if taken is None else _level(buckets, taken)
        return Charge(charge.kind, buckets, level)

    async def _ask(self, buckets: Buckets, name: str, tokens: int, *, owed: bool) -> Taken | None:
        """What all processes have counted together; None: it is to be counted here."""
        shared = self._shared
        if shared is None or shared.now() < self._away_until:
            return None
        if self._away_until != THERE:
            self._away_until = shared.now() + AWAY.total_seconds()  # one asks whether it is back; nobody else waits
        take = shared.counter.owe if owed else shared.counter.take
        try:
            taken = await take(name, tokens, amount=buckets.amount, per=buckets.per)
        except CounterUnavailable as error:
            if self._away_until == THERE:
                shared.emit("limits.unavailable", {"error": str(error)})
            self._away_until = shared.now() + AWAY.total_seconds()
            return None
        self._away_until = THERE
        return taken


def _level(buckets: Buckets, taken: Taken) -> Level:
    return buckets.level(taken.missing.total_seconds(), allowed=taken.allowed)
