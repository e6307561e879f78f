"""Figures of one column of a CSV text, group by group."""

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import fsum
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

LARGEST = 1e300
"""Numbers beyond this are skipped: their sum would be infinite, which JSON cannot carry."""
ROWS_A_STEP = 2_000
INPUTS = Path(__file__).parent / "inputs"

Tell = Callable[[float, str], None]


class Inline(BaseModel):
    """A table sent along, its first line the names of the columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    csv_text: Annotated[str, StringConstraints(min_length=1)]


class Sample(BaseModel):
    """A table that comes with the tour. The name is one of a fixed list, never a path."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sample: Literal["journeys"]


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    rows: int
    total: float
    mean: float
    median: float
    smallest: float
    largest: float


@dataclass(frozen=True, slots=True)
class Totals:
    rows: int
    skipped: int
    """Rows without a finite number in the column."""
    groups: int
    largest_groups: list[Group]
    """By total, the largest first."""


class UnknownColumn(ValueError):
    """The table has no such column."""


class NotCsv(ValueError):
    """The text cannot be read as CSV."""


def text_of(source: Inline | Sample) -> str:
    """The table's text."""
    if isinstance(source, Inline):
        return source.csv_text
    return gzip.decompress((INPUTS / f"{source.sample}.csv.gz").read_bytes()).decode()


def aggregate(text: str, group_by: str, value: str, top: int, tell: Tell) -> Totals:
    """Group the rows by one column and sum another; ``tell`` hears how far the work is."""
    groups: dict[str, list[float]] = {}
    rows = skipped = 0
    for name, field in _told(_cells(text, group_by, value), text.count("\n"), tell):
        number = _number(field)
        rows += 1
        if number is None:
            skipped += 1
        else:
            groups.setdefault(name, []).append(number)
    best = sorted(groups.items(), key=lambda item: (-fsum(item[1]), item[0]))[:top]
    return Totals(rows, skipped, len(groups), [_group(name, numbers) for name, numbers in best])


def _cells(text: str, group_by: str, value: str) -> Iterator[tuple[str, str]]:
    lines = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = next(lines, [])
        left, right = _place(header, group_by), _place(header, value)
        for row in lines:
            if row:
                yield _cell(row, left), _cell(row, right)
    except csv.Error as error:
        raise NotCsv(f"Line {lines.line_num} cannot be read: {error}.") from error


def _place(header: list[str], column: str) -> int:
    names = [name.strip().removeprefix("\ufeff") for name in header]
    if column not in names:
        raise UnknownColumn(f"There is no column {column!r}; the columns are {', '.join(names)[:500]}.")
    return names.index(column)


def _cell(row: list[str], place: int) -> str:
    return row[place].strip() if place < len(row) else ""


def _told(cells: Iterable[tuple[str, str]], lines: int, tell: Tell) -> Iterator[tuple[str, str]]:
    rest, done = iter(cells), 0
    while step := list(islice(rest, ROWS_A_STEP)):
        yield from step
        done += len(step)
        tell(min(done / max(lines, 1), 1.0), f"{done} rows")


def _number(field: str) -> float | None:
    try:
        number = float(field)
    except ValueError:
        return None
    return number if abs(number) < LARGEST else None


def _group(name: str, numbers: list[float]) -> Group:
    total = fsum(numbers)
    return Group(
        name=name,
        rows=len(numbers),
        total=round(total, 4),
        mean=round(total / len(numbers), 4),
        median=round(median(numbers), 4),
        smallest=min(numbers),
        largest=max(numbers),
    )
