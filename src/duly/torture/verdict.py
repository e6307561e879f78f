"""What the checker says: the counts, and the histories that refute a promise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from duly.torture.finding import END, Finding
from duly.torture.recovery import Recovery

SHOWN = 5
"""Histories of each property; the others are counted only."""

LONGEST_HISTORY = 30
"""Lines of one history."""

HEAD = ("lost", "doubled", "innocent poison", "others", "refused", "longest recovery")
"""The columns of a table of runs, for ``Verdict.row``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of one run. ``findings`` has every property, in the order of the check; none is a property that held."""

    findings: Mapping[str, Sequence[Finding]]
    recoveries: Sequence[Recovery] = ()
    refused: int = 0
    tasks: int = 0
    accepted: int = 0
    answers: int = 0
    began: float = 0.0

    @property
    def proved(self) -> bool:
        """Whether every property held."""
        return not any(self.findings.values())

    @property
    def longest(self) -> float | None:
        """The longest recovery of a lost claim, in seconds."""
        return max((one.seconds for one in self.recoveries), default=None)

    def count(self, name: str) -> int:
        """How many faults of one property were found."""
        return len(self.findings[name])

    @property
    def line(self) -> str:
        """All counts in one line."""
        return " · ".join(f"{name} {len(found)}" for name, found in self.findings.items())

    @property
    def row(self) -> tuple[str, ...]:
        """The cells under HEAD."""
        told = ("lost", "doubled", "innocent poison")
        others = sum(len(found) for name, found in self.findings.items() if name not in told)
        counts = (*(self.count(name) for name in told), others, self.refused)
        return (*map(str, counts), "–" if self.longest is None else f"{self.longest:.1f} s")

    def text(self) -> str:
        """Everything, for a terminal."""
        return "\n".join([self.line, *self._told(), *self._histories()])

    def _told(self) -> Iterator[str]:
        yield f"{self.accepted:,} accepted, {self.tasks:,} in the table, judged by {self.answers:,} answers"
        if self.recoveries:
            seconds = [one.seconds for one in self.recoveries]
            yield (
                f"claims lost with their process and taken up again: {len(seconds)}, "
                f"after {median(seconds):.1f} s (median), {max(seconds):.1f} s (longest)"
            )
        if self.refused:
            yield f"stale writes refused: {self.refused}"

    def _histories(self) -> Iterator[str]:
        for name, found in self.findings.items():
            for one in sorted(found, key=lambda finding: len(finding.history))[:SHOWN]:
                yield f"\n{name}: task {one.task_id}: {one.says}"
                yield from self._lines(one)
            if len(found) > SHOWN:
                yield f"\n{name}: and {len(found) - SHOWN} more"

    def _lines(self, found: Finding) -> Iterator[str]:
        lines = found.history
        for line in lines[-LONGEST_HISTORY:]:
            when = "" if line.t == END else f"{line.t - self.began:.3f} s"
            yield f"  {when:>12}  {line.text}"
        if len(lines) > LONGEST_HISTORY:
            yield f"  {len(lines) - LONGEST_HISTORY} lines before these"
