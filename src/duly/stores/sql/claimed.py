"""Rows to tasks, as a claim gives them: only what tells one from the other comes from the database."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from duly.domain.making import of
from duly.domain.state import RUNNING
from duly.domain.task import HIGHEST_PRIORITY, ClaimToken, Task, WorkerId
from duly.stores.sql.rows import tags_of, timeout_of

CLAIMED_COLUMNS = (
    "precedence",
    "timeout_us",
    "tags",
    "id",
    "type",
    "payload",
    "max_attempts",
    "run_at",
    "created_at",
    "attempt",
    "failures",
    "crashes",
    "version",
    "progress_seq",
    "error",
    "cancelling",
    "expires_at",
    "key",
    "request_id",
    "traceparent",
    "callback_url",
)
"""What tells the tasks of one claim apart; all else whoever claims them knows."""


class Claimed(NamedTuple):
    """What the tasks of one claim have in common, as it has left them."""

    queue: str
    token: ClaimToken
    worker: WorkerId
    started_at: datetime
    lease_until: datetime


def claimed_of(row: Iterable[Any], known: Claimed) -> Task:
    """The task of a row of CLAIMED_COLUMNS, its fields a line each; what follows in the row is not looked at.

    A ``created_at`` of None is that of ``run_at``, as with most.
    """
    queue, token, worker, started_at, lease_until = known
    (
        precedence,
        timeout_us,
        tags,
        id_,
        type_,
        payload,
        max_attempts,
        run_at,
        created_at,
        attempt,
        failures,
        crashes,
        version,
        progress_seq,
        error,
        cancelling,
        expires_at,
        key,
        request_id,
        traceparent,
        callback_url,
        *_,
    ) = row
    return of(
        (
            id_,
            str(id_),
            type_,
            queue,
            HIGHEST_PRIORITY - precedence,
            payload,
            max_attempts,
            timeout_of(timeout_us),
            run_at,
            created_at or run_at,
            expires_at,
            key,
            tags_of(tags),
            request_id,
            traceparent,
            callback_url,
            attempt,
            failures,
            crashes,
            progress_seq,
            None,
            token,
            worker,
            started_at,
            error,
            cancelling,
            RUNNING,
            None,
            version,
            None,
            lease_until,
            None,
        )
    )
