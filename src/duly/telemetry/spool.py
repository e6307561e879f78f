"""A folder in which the processes of one service on one machine leave what they have counted, for whoever is scraped.

Each process writes a file of its own, and anybody adds them up. A process that has ended leaves its file, so that no
counter ever goes back; files of the ended are folded into one, which names what it holds.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from duly.domain.families import FAMILIES
from duly.domain.figures import Figures, Sets, lasting, merged

QUIET_SECONDS = 15.0
"""A process that has written nothing for so long has ended, or stands still: its gauges do not count."""

ENDED_SECONDS = 300.0
"""Of the machine's running time, in which a reader itself has seen a file unchanged. By the files' own times all
would have ended at once where the machine slept or its clock was put forward; what is folded cannot be taken out again.
"""

MANY_ENDED = 8
"""So many files of processes that have long ended are folded into one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Leaf:
    """One file, read."""

    path: Path
    written_at: float
    figures: Figures
    holds: frozenset[str]
    """The files that were folded into this one."""


class Spool:
    """Siblings by a folder. ``name`` is this process's own, which no other has had; a reader alone needs none."""

    def __init__(self, folder: Path, name: str = "", now: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._own = folder / f"{name.replace('/', '_')}.json"
        self._now = now
        self._sets = Sets()
        self._unchanged: dict[tuple[Path, float], float] = {}
        """Since when each file that is there has been seen as it was written at that time."""

    def tell(self, figures: Figures) -> None:
        """See Siblings. The folder is made where it is missing. Raises OSError."""
        self._make_folder()
        _write(self._own, figures, ())

    def others(self) -> list[Figures]:
        """See Siblings. Raises OSError."""
        self._make_folder()
        with self._locked():
            leaves = self._leaves()
            ended = self._ended(leaves)
            if len(ended) >= MANY_ENDED:
                self._fold(ended)
        quiet = time.time() - QUIET_SECONDS
        return [leaf.figures if leaf.written_at >= quiet else lasting(leaf.figures, FAMILIES) for leaf in leaves]

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _leaves(self) -> list[_Leaf]:
        """All but our own, and but those that another one holds already."""
        found = [leaf for path in self._folder.glob("*.json") if path != self._own and (leaf := _read(path))]
        held = frozenset[str]().union(*(leaf.holds for leaf in found))
        return [leaf for leaf in found if leaf.path.name not in held]

    def _ended(self, leaves: Iterable[_Leaf]) -> list[_Leaf]:
        now = self._now()
        seen = {leaf: (leaf.path, leaf.written_at) for leaf in leaves}
        self._unchanged = {file: self._unchanged.get(file, now) for file in seen.values()}
        return [leaf for leaf, file in seen.items() if now - self._unchanged[file] > ENDED_SECONDS]

    def _fold(self, ended: Iterable[_Leaf]) -> None:
        """One file that names what it holds is there before what it holds is deleted: nothing is counted twice."""
        leaves = list(ended)
        whole = merged([lasting(leaf.figures, FAMILIES) for leaf in leaves], FAMILIES, self._sets)
        _write(self._folder / f"ended-{token_hex(8)}.json", whole, [leaf.path.name for leaf in leaves])
        for leaf in leaves:
            leaf.path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _write(path: Path, figures: Figures, holds: Iterable[str]) -> None:
    """Whole or not at all."""
    cells = {name: [[list(labels), values] for labels, values in held.items()] for name, held in figures.items()}
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(json.dumps({"figures": cells, "holds": list(holds)}), encoding="utf-8")
    draft.replace(path)


def _read(path: Path) -> _Leaf | None:
    """None when it is gone meanwhile, or is nothing of ours."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        written_at = path.stat().st_mtime
        content = json.loads(path.read_text(encoding="utf-8"))
        figures = {
            name: {tuple(labels): list(map(float, values)) for labels, values in held}
            for name, held in content["figures"].items()
        }
        return _Leaf(path, written_at, figures, frozenset(content["holds"]))
    return None
