"""What is counted of a running Duly, in a form that processes can hand on, and how the figures of several become one.

Figures are plain numbers by labels, so that they travel between processes as JSON. A counter or a gauge is one number;
a histogram is one count for each bucket (the last for what is beyond all bounds) and the sum of what was observed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import add

Labels = tuple[str, ...]
Figures = dict[str, dict[Labels, list[float]]]
"""By the name of a family, then by labels."""

OTHER = "other"
"""Stands for the queue and the type of what came when there were MOST_SETS already."""

MOST_SETS = 200
"""So many queues, and so many pairs of queue and type, have figures of their own: clients may make up any number."""


class Kind(StrEnum):
    """How a family behaves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SINCE = "since"
    """A moment of the machine's monotonic clock; shown as the seconds that have passed since."""


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Figures of one name. ``together`` makes one number of two processes' numbers."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    together: Callable[[float, float], float] = add

    @property
    def loose(self) -> Labels:
        """Those of its labels whose values clients make up; they come first."""
        return tuple(label for label in self.labels if label in ("queue", "type"))

    @property
    def lasting(self) -> bool:
        """Whether what a process counted still counts when it has ended."""
        return self.kind in (Kind.COUNTER, Kind.HISTOGRAM)

    def zero(self) -> list[float]:
        """Nothing counted yet."""
        return [0.0] * (len(self.bounds) + 2 if self.bounds else 1)


class Sets:
    """The queues and types that are known by name: the first MOST_SETS stay what they are, all others become OTHER."""

    def __init__(self) -> None:
        self._known: defaultdict[Labels, set[Labels]] = defaultdict(set)

    def bounded(self, family: Family, labels: Labels) -> Labels:
        """The labels under which these are counted."""
        loose = len(family.loose)
        made_up, known = labels[:loose], self._known[family.loose]
        if not loose or made_up in known:
            return labels
        if len(known) >= MOST_SETS:
            return (OTHER,) * loose + labels[loose:]
        known.add(made_up)
        return labels


def merged(all_of: Iterable[Figures], families: Mapping[str, Family], sets: Sets) -> Figures:
    """The figures of several as those of one. Families that are not known here (another version's) are left out."""
    whole: Figures = {}
    for figures in all_of:
        for name in figures.keys() & families.keys():
            into, family = whole.setdefault(name, {}), families[name]
            for labels, values in figures[name].items():
                merge_into(into, family, sets.bounded(family, labels), values)
    return whole


def merge_into(into: dict[Labels, list[float]], family: Family, labels: Labels, values: list[float]) -> None:
    """Add these values to what is there. What has another form (another version's buckets) is left out."""
    if len(values) != len(family.zero()):
        return
    held = into.get(labels)
    into[labels] = list(values) if held is None else list(map(family.together, held, values))


def lasting(figures: Figures, families: Mapping[str, Family]) -> Figures:
    """What of these still counts when their process has ended."""
    return {name: cells for name, cells in figures.items() if name in families and families[name].lasting}
