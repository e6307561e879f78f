"""Counts the events that are rare: what happens to every task is counted in the engine's meter, without an event."""

from collections.abc import Mapping
from logging import WARNING

from duly.domain import families
from duly.domain.figures import Family
from duly.ports.telemetry import Emit, Tally
from duly.telemetry.lines import level_of

COUNTED: Mapping[str, tuple[Family, tuple[str, ...]]] = {
    "write.refused": (families.REFUSED, ()),
    "lease.lost": (families.LEASES_LOST, ()),
    "lease.expired": (families.LEASES_EXPIRED, ("queue",)),
    "task.expired": (families.EXPIRED, ("queue",)),
    "loop.stalled": (families.STALLS, ()),
    "store.unavailable": (families.STORE_FAILURES, ("loop",)),
}
"""The family of an event, and the facts that are its labels."""

ORDINARY = "task.settled"
"""Told of every attempt, and counted elsewhere."""


def counting(tally: Tally, tell: Emit) -> Emit:
    """A subscriber that counts an event and passes it on. Other warnings and errors are counted by their name."""

    def emit(name: str, facts: Mapping[str, object]) -> None:
        if name != ORDINARY:
            _count(tally, name, facts)
        tell(name, facts)

    return emit


def _count(tally: Tally, name: str, facts: Mapping[str, object]) -> None:
    known = COUNTED.get(name)
    if known is not None:
        family, labels = known
        tally.add(family, *(str(facts.get(label, "")) for label in labels))
    elif level_of(name, facts) >= WARNING:
        tally.add(families.EVENTS, name)
