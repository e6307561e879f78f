"""How much each identity may ask for, by kind of request."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from duly.engine.buckets import Buckets, Level


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


class Quotas:
    """A kind without buckets is not counted."""

    def __init__(self, buckets: Mapping[Kind, Buckets]) -> None:
        self._buckets = buckets

    def charge(self, name: str, kind: Kind) -> Charge | None:
        """Count one request of this identity; None: it is not counted."""
        buckets = self._buckets.get(kind)
        return None if buckets is None else Charge(kind, buckets, buckets.take(name))
