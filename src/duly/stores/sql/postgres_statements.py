"""The text of the hot statements on PostgreSQL."""

from collections.abc import Mapping, Sequence

from sqlalchemy.dialects import postgresql

from duly.stores.sql.claimed import CLAIMED_COLUMNS
from duly.stores.sql.rows import NEW_COLUMNS, NEW_CONSTANTS, TASK_COLUMNS, values_columns
from duly.stores.sql.schema import tasks

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

_ROW = ", ".join(f't."{column.name}"' for column in TASK_COLUMNS)
_CLAIMED = ", ".join(
    {"created_at": "nullif(t.created_at, t.run_at)"}.get(name, f't."{name}"') for name in CLAIMED_COLUMNS
)
"""A moment costs the driver as much as five other columns: most tasks have two that are the same."""


def _type_of(name: str) -> str:
    return tasks.c[name].type.compile(_DIALECT).split("(")[0]


def _insert(columns: Sequence[str], constants: Mapping[str, str]) -> str:
    names = ", ".join(f'"{name}"' for name in (*columns, *constants))
    arrays = ", ".join(f"${position}::{_type_of(name)}[]" for position, name in enumerate(columns, start=1))
    return f"""
INSERT INTO duly_tasks ({names})
SELECT {", ".join(("x.*", *constants.values()))} FROM unnest({arrays}) AS x
"""  # noqa: S608  # names of columns, not values


INSERT = _insert(values_columns(), {})

INSERT_NEW = _insert(NEW_COLUMNS, NEW_CONSTANTS)
"""Half of the values need not be sent."""


_KIND = ("type", "queue", "precedence", "max_attempts", "timeout_us", "tags")
"""What tasks of one kind have in common, in the order of ``plain_columns``."""


def _moment(first: int) -> str:
    """What ``postgres_moments.sent`` has of a moment; the parameter of this number is the first one."""
    return f"${first}::timestamptz + x.later * interval '1 microsecond'"


def _insert_plain() -> str:
    kinds = ", ".join(
        f"(${position}::{_type_of(name)}[])[coalesce(x.kind, 1)]" for position, name in enumerate(_KIND, start=8)
    )
    at = _moment(7)
    return f"""
INSERT INTO duly_tasks (
    id, payload, created_at, run_at, request_id, traceparent, {", ".join((*_KIND, "state", *NEW_CONSTANTS))}
)
SELECT x.id, x.payload, {at}, {at}, x.request_id, x.traceparent, {kinds},
    {", ".join(("'pending'", *NEW_CONSTANTS.values()))}
FROM unnest(
    string_to_array($1, ',')::uuid[],
    string_to_array($2, chr(1)),
    string_to_array($3, chr(1), ''),
    string_to_array($4, chr(1), ''),
    string_to_array($5, ',')::int[],
    string_to_array($6, ',')::bigint[]
) AS x (id, payload, request_id, traceparent, kind, later)
"""  # noqa: S608  # names of columns, not values


INSERT_PLAIN = _insert_plain()
"""A batch of a few kinds, as texts; without numbers of kinds all are of the first.

No insert leaves rows alone that are there (``ON CONFLICT``): it would look for each before, and take a lock for it, a
fifth of PostgreSQL's time. That one is there is an error, which is seldom.
"""


def _ready(which: str, order: str = "") -> str:
    return f"""
    SELECT t.ctid
    FROM duly_tasks t
    WHERE t.state = 'pending'
      AND t.queue = $1
      {which}
      AND (t.expires_at IS NULL OR t.expires_at > coalesce($6::timestamptz, statement_timestamp()))
      AND NOT EXISTS (SELECT FROM duly_queues q WHERE q.name = $1 AND q.paused)
    {order}
    LIMIT $2
    FOR UPDATE OF t SKIP LOCKED"""  # noqa: S608


def _claim(ready: str) -> str:
    """Those that it locked, by their place in the table: once more by the primary key would cost a ninth of a claim.

    A row that somebody changed after the statement began, and left ready, has moved: it waits for the next claim. When
    they were claimed stands at the end as PostgreSQL sends it (microseconds since 2000): it is the same for all.
    """
    return f"""
UPDATE duly_tasks t
SET state = 'running',
    reason = NULL,
    attempt = t.attempt + 1,
    version = t.version + 1,
    token = $3,
    worker = $4,
    lease_until = coalesce($6::timestamptz, statement_timestamp()) + $5::interval,
    wake_at = coalesce($6::timestamptz, statement_timestamp()) + $5::interval,
    started_at = coalesce($6::timestamptz, statement_timestamp()),
    progress = NULL,
    progress_seq = t.progress_seq + (t.progress IS NOT NULL)::int
WHERE t.ctid = ANY (ARRAY({ready}
))
RETURNING {_CLAIMED}, timestamptz_send(t.started_at)
"""  # noqa: S608


CLAIM = _claim(_ready("", "ORDER BY t.precedence, t.run_at, t.id"))
"""In the order of the index duly_tasks_ready, which serves filter and order."""

_OF_ONE_PRECEDENCE = _ready("AND t.precedence = p.precedence AND t.run_at >= p.since", "ORDER BY t.run_at, t.id")

CLAIM_BEYOND = _claim(f"""
    SELECT one.ctid
    FROM unnest($7::int[], $8::timestamptz[]) AS p (precedence, since)
    CROSS JOIN LATERAL ({_OF_ONE_PRECEDENCE}
    ) AS one
    LIMIT $2""")  # noqa: S608
"""The same from some time on, one precedence after the other, each a stretch of the index duly_tasks_ready, in order.
The outer limit stops the inner ones, so that no row is locked that is not taken."""

CLAIM_AMONG = _claim(_ready("AND t.id = ANY ($7::uuid[])"))
"""The same among hinted tasks, found by the primary key; an order would lead the planner through all that waits."""

RENEW = """
WITH free AS MATERIALIZED (
    SELECT t.id, x.progress
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS x (id, token, progress)
    JOIN duly_tasks t ON t.id = x.id
    WHERE t.state = 'running' AND t.token = x.token
    FOR UPDATE OF t SKIP LOCKED
)
UPDATE duly_tasks t
SET lease_until = coalesce($5::timestamptz, statement_timestamp()) + $4::interval,
    wake_at = coalesce($5::timestamptz, statement_timestamp()) + $4::interval,
    progress = coalesce(free.progress, t.progress),
    progress_seq = t.progress_seq + (free.progress IS NOT NULL)::int
FROM free
WHERE t.id = free.id
RETURNING t.id, t.cancelling
"""

HOLDING = """
SELECT t.id, t.cancelling
FROM unnest($1::uuid[], $2::uuid[]) AS x (id, token)
JOIN duly_tasks t ON t.id = x.id
WHERE t.state = 'running' AND t.token = x.token
"""

COMPLETE = f"""
WITH written AS (
    UPDATE duly_tasks t
    SET state = 'completed',
        reason = NULL,
        version = t.version + 1,
        result = x.result,
        finished_at = {_moment(6)},
        lease_until = NULL,
        wake_at = NULL
    FROM unnest(
        string_to_array($1, ',')::uuid[],
        string_to_array($2, ',')::int[],
        string_to_array($3, ',')::uuid[],
        string_to_array($4, chr(1)),
        string_to_array($5, ',')::bigint[]
    ) AS x (id, version, token, result, later)
    WHERE t.id = x.id AND t.version = x.version AND t.token = x.token
    RETURNING t.id
)
SELECT CASE WHEN count(*) < $7 THEN coalesce(array_agg(id), '{{}}') END FROM written
"""  # noqa: S608
"""Tells which were written, or NULL when all were, as nearly always.

Its columns travel as text: for each item of an array the driver asks what kind of thing it is, which takes
longer than all the rest. No result has the character 1, which JSON escapes.
"""

GET = f"""
SELECT {_ROW}
FROM duly_tasks t
WHERE t.id = ANY($1::uuid[])
"""  # noqa: S608

READY = """
SELECT x.queue
FROM unnest($1::text[]) AS x (queue)
WHERE EXISTS (SELECT FROM duly_tasks t WHERE t.state = 'pending' AND t.queue = x.queue)
"""
"""By the index duly_tasks_ready: one step into it for each queue."""

TIME = """
SELECT coalesce($1::timestamptz, statement_timestamp())
WHERE NOT EXISTS (SELECT FROM duly_queues q WHERE q.name = $2 AND q.paused)
"""
"""Nothing while the queue is paused: that a claim then finds nothing does not tell that nothing is ready."""
