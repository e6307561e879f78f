"""Plain completions on SQLite: a batch in one statement, whose steps the driver does not see.

Python's driver gives the interpreter away before each step and asks for it again after it. Row by row, the writer's
thread waits for the event loop's as often as there are rows; in one step both work at the same time.
"""

import json
from collections.abc import Sequence
from itertools import accumulate

from sqlalchemy import Connection

from duly.domain.transition import Change
from duly.stores.sql.codec import SQLITE_CODEC
from duly.stores.sql.portions import portions

_ID, _NUMBER = 16, 20
_WIDTH = 2 * _ID + 3 * _NUMBER


def _packed(offset: int, length: int) -> str:
    return f"substr(:packed, x.key * {_WIDTH} + {offset + 1}, {length})"


def _number(place: int) -> str:
    return f"CAST({_packed(2 * _ID + place * _NUMBER, _NUMBER)} AS INTEGER)"


_COMPLETE = f"""
UPDATE duly_tasks
SET state = 'completed', reason = NULL, version = version + 1,
    result = CAST(substr(:results, x.value + 1, {_number(2)}) AS TEXT),
    finished_at = {_number(1)}, lease_until = NULL, wake_at = NULL
FROM json_each(:starts) AS x
WHERE duly_tasks.id = {_packed(0, _ID)} AND token = {_packed(_ID, _ID)} AND version = {_number(0)}
"""  # noqa: S608  # widths, not values


def complete(connection: Connection, changes: Sequence[Change]) -> int:
    """Write them, each if its version and token still hold (by the primary key); returns how many were written."""
    return sum(_complete(connection, portion) for portion in portions(changes))


def _complete(connection: Connection, changes: Sequence[Change]) -> int:
    results = [(change.after.result or "").encode() for change in changes]
    lengths = list(map(len, results))
    values = {
        "starts": json.dumps(list(accumulate(lengths[:-1], initial=0))),
        "results": b"".join(results),
        "packed": b"".join(map(_row, changes, lengths)),
    }
    return connection.exec_driver_sql(_COMPLETE, values).rowcount


def _row(change: Change, length: int) -> bytes:
    """All but the result, each at a fixed width: found by its place, whatever the batch."""
    before, finished_at = change.before, change.after.finished_at
    at = 0 if finished_at is None else SQLITE_CODEC.moment_in(finished_at)
    numbers = (_NUMBER, before.version, _NUMBER, at, _NUMBER, length)
    return before.id.bytes + before.claim.bytes + b"%*d%*d%*d" % numbers
