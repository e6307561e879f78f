"""Tasks as a driver takes and gives them, without SQLAlchemy's processing of each value, for the hot statements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from duly.domain.moment import EPOCH, MICROSECOND
from duly.domain.task import Task
from duly.stores.sql.claimed import CLAIMED_COLUMNS
from duly.stores.sql.rows import (
    NEW_COLUMNS,
    TASK_COLUMNS,
    new_values,
    task_of,
    values_columns,
    values_of,
)
from duly.stores.sql.schema import tasks
from duly.stores.sql.types import ID, MOMENT


def _of(columns: Sequence[str], kind: object) -> list[int]:
    """The places of the columns of this type."""
    return [position for position, name in enumerate(columns) if tasks.c[name].type is kind]


_IDS_IN, _MOMENTS_IN = _of(values_columns(), ID), _of(values_columns(), MOMENT)
_NEW_IDS_IN, _NEW_MOMENTS_IN = _of(NEW_COLUMNS, ID), _of(NEW_COLUMNS, MOMENT)
_NAMES_OUT = [column.name for column in TASK_COLUMNS]
_IDS_OUT, _MOMENTS_OUT, _CANCELLING = _of(_NAMES_OUT, ID), _of(_NAMES_OUT, MOMENT), _NAMES_OUT.index("cancelling")
_CLAIMED_ID, _CLAIMED_CANCELLING = CLAIMED_COLUMNS.index("id"), CLAIMED_COLUMNS.index("cancelling")
_CLAIMED_MOMENTS = _of(CLAIMED_COLUMNS, MOMENT)


@dataclass(frozen=True, slots=True)
class Codec:
    """How a database keeps times; ids are sixteen bytes in both databases that this serves."""

    moment_in: Callable[[datetime], Any]
    moment_out: Callable[[Any], datetime]

    def row(self, task: Task) -> list[Any]:
        """The values of an insert, in the order of ``values_columns``."""
        return self._in(list(values_of(task).values()), _IDS_IN, _MOMENTS_IN)

    def new_row(self, task: Task) -> list[Any]:
        """The values of NEW_COLUMNS."""
        return self._in(list(new_values(task)), _NEW_IDS_IN, _NEW_MOMENTS_IN)

    def _in(self, row: list[Any], ids: Sequence[int], moments: Sequence[int]) -> list[Any]:
        for position in ids:
            if row[position] is not None:
                row[position] = row[position].bytes
        for position in moments:
            if row[position] is not None:
                row[position] = self.moment_in(row[position])
        return row

    def task(self, row: Sequence[Any]) -> Task:
        """The task of a row of TASK_COLUMNS."""
        values = list(row)
        for position in _IDS_OUT:
            if values[position] is not None:
                values[position] = UUID(bytes=values[position])
        for position in _MOMENTS_OUT:
            if values[position] is not None:
                values[position] = self.moment_out(values[position])
        values[_CANCELLING] = bool(values[_CANCELLING])
        return task_of(values)

    def claimed(self, row: Sequence[Any]) -> list[Any]:
        """The values of a row of CLAIMED_COLUMNS, as ``claimed_of`` wants them."""
        values = list(row)
        values[_CLAIMED_ID] = UUID(bytes=values[_CLAIMED_ID])
        for position in _CLAIMED_MOMENTS:
            if values[position] is not None:
                values[position] = self.moment_out(values[position])
        values[_CLAIMED_CANCELLING] = bool(values[_CLAIMED_CANCELLING])
        return values


def _to_epoch(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


@lru_cache(maxsize=64)
def _from_epoch(count: int) -> datetime:
    """Often asked for one time again: a task's ``run_at`` is its ``created_at``, and a batch has both in common."""
    return EPOCH + timedelta(microseconds=count)


def _to_naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _from_naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


SQLITE_CODEC = Codec(_to_epoch, _from_epoch)
MYSQL_CODEC = Codec(_to_naive, _from_naive)
