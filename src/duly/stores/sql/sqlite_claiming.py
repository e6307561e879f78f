"""The rows of a claim on SQLite: all of them in one step, as JSON (``sqlite_completing`` says why)."""

import json
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from duly.stores.sql.claimed import CLAIMED_COLUMNS

LONG = 16_384
"""In bytes. A claim in which a payload is longer is read row by row: their JSON would be copied too often."""

_ID, _PAYLOAD = CLAIMED_COLUMNS.index("id"), CLAIMED_COLUMNS.index("payload")
_READY_ORDER = itemgetter(*map(CLAIMED_COLUMNS.index, ("precedence", "run_at", "id")))


def rows(connection: Connection, columns: Sequence[str], rest: str, values: Sequence[object]) -> list[Any]:
    """See Speech."""
    longest, text = connection.exec_driver_sql(_at_once(tuple(columns), rest), tuple(values)).one()
    if longest is not None and longest > LONG:
        return list(connection.exec_driver_sql(f"SELECT {', '.join(columns)} {rest}", tuple(values)))
    found: list[Any] = json.loads(text)
    found.sort(key=_READY_ORDER)  # an aggregate promises no order
    for row in found:
        row[_ID] = bytes.fromhex(row[_ID])
    return found


@lru_cache(64)
def _at_once(columns: tuple[str, ...], rest: str) -> str:
    names = [f"c{position}" for position in range(len(columns))]
    inner = ", ".join(f"{column} AS {name}" for column, name in zip(columns, names, strict=True))
    payload = names[_PAYLOAD]
    told = {_ID: f"hex({names[_ID]})", _PAYLOAD: f"CASE WHEN length({payload}) <= {LONG} THEN {payload} END"}
    outer = ", ".join(told.get(position, name) for position, name in enumerate(names))
    return f"SELECT max(length({payload})), json_group_array(json_array({outer})) FROM (SELECT {inner} {rest})"  # noqa: S608
