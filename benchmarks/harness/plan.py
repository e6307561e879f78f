"""What a scenario is: contestants that are measured in turns, and the goals that their figures answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: an empty folder of its own, and how large everything is."""

    folder: Path
    scale: float
    round: int

    def size(self, full: float, least: int = 1) -> int:
        """So many at this scale."""
        return max(least, round(full * self.scale))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Somebody who is measured."""

    name: str
    how: str
    """Its configuration, in one line."""
    keeps: str
    """What is durable of a task's state and result."""
    measure: Callable[[Run], Figures]
    """Does everything, from an empty database on. Raises when not all the work was done."""
    venvs: tuple[str, ...] = ()
    """Environments of peers that it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure of one contestant, as a multiple of another's (``against``) or by itself."""

    figure: str
    of: str
    against: str | None = None
    their_figure: str | None = None
    least: float | None = None
    most: float | None = None
    stretch: float | None = None

    @property
    def what(self) -> str:
        """What the number counts."""
        if self.against is None:
            return self.figure
        if self.their_figure is None:
            return f"× {self.against} ({self.figure})"
        return f"× {self.their_figure} ({self.figure})"

    def measured(self, medians: Mapping[str, Figures]) -> float | None:
        """None: one of the two was not measured."""
        ours = medians.get(self.of, {}).get(self.figure)
        if self.against is None or ours is None:
            return ours
        theirs = medians.get(self.against, {}).get(self.their_figure or self.figure)
        return ours / theirs if theirs else None

    @property
    def bounded(self) -> bool:
        """False: the figure is stated, whatever it is."""
        return self.least is not None or self.most is not None

    def met(self, value: float, bound: float | None = None) -> bool:
        """Whether the value is at least, or at most, what is wanted."""
        if self.most is not None:
            return value <= (self.most if bound is None else bound)
        return value >= ((self.least or 0) if bound is None else bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One question, asked of everybody alike."""

    name: str
    title: str
    question: str
    """What is measured, from when to when."""
    contestants: Sequence[Contestant]
    goals: Sequence[Goal] = ()
    needs: Sequence[str] = field(default=("postgresql",))
    """Servers whose versions and settings belong to the result."""
    rounds: int = 3
    minutes: float
    """No other round is begun that would end after so many."""
