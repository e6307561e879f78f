"""Proves or refutes Duly's promises from what was recorded of a run: ``check(folder)``."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from duly.torture.callbacks import unsigned, untold
from duly.torture.claims import after_cancel, doubled, late_starts
from duly.torture.finding import Finding
from duly.torture.found import lost, stuck, unearned
from duly.torture.history import ACCEPTED, OK, History, load
from duly.torture.innocence import innocent_poison
from duly.torture.keys import split_keys
from duly.torture.legal import illegal_moves
from duly.torture.order import went_back
from duly.torture.overlap import overlaps
from duly.torture.recovery import recoveries, refused
from duly.torture.verdict import Verdict

PROPERTIES: Mapping[str, Callable[[History], Iterator[Finding]]] = {
    "lost": lost,
    "doubled": doubled,
    "stuck": stuck,
    "unearned": unearned,
    "went back": went_back,
    "illegal moves": illegal_moves,
    "late starts": late_starts,
    "after cancel": after_cancel,
    "overlaps": overlaps,
    "innocent poison": innocent_poison,
    "split keys": split_keys,
    "untold": untold,
    "unsigned": unsigned,
}
"""What is checked, in the order in which it is told. Each docstring says exactly what, and what is let pass."""


def check(folder: Path) -> Verdict:
    """Judge the run that was recorded in the folder. Raises Unreadable, and OSError when the run has no end."""
    return judge(load(folder))


def judge(history: History) -> Verdict:
    """Judge a history. The same history has the same verdict."""
    accepted = {one.task["id"] for one in history.submits if one.task is not None and one.status in (OK, ACCEPTED)}
    answered = [one for part in (history.submits, history.reads, history.moves) for one in part if one.answered]
    return Verdict(
        findings={name: list(check_(history)) for name, check_ in PROPERTIES.items()},
        recoveries=recoveries(history),
        refused=refused(history),
        tasks=len(history.tasks),
        accepted=len(accepted),
        answers=len(answered),
        began=history.terms.began or min((one.sent for one in history.submits), default=0.0),
    )
