"""The hot statements on PostgreSQL, by asyncpg itself: a batch travels as arrays or texts, in one statement.

Plans are made once for each connection, perhaps on an empty table, and kept. The connections of this lane therefore
forbid what such a plan would use and what is slow on a full one (``PLANNER``).
"""

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import Any
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]
from asyncpg.pgproto.pgproto import UUID  # type: ignore[import-untyped]

from duly.domain.making import is_new
from duly.domain.task import ClaimToken, Task, TaskId, WorkerId
from duly.domain.transition import Change
from duly.ports.clock import Clock
from duly.ports.store import Renewal
from duly.stores.sql import postgres_statements as statements
from duly.stores.sql.claimed import CLAIMED_COLUMNS, Claimed, claimed_of
from duly.stores.sql.dialect import Dialect
from duly.stores.sql.doubt import Doubt
from duly.stores.sql.errors import OUTSIDE, RowLocked
from duly.stores.sql.goodbye import briefly
from duly.stores.sql.postgres_frontier import PRECEDENCES, Frontier
from duly.stores.sql.postgres_moments import received, sent
from duly.stores.sql.postgres_plain import plain_columns
from duly.stores.sql.postgres_pool import PostgresPool
from duly.stores.sql.repeat import repeated
from duly.stores.sql.rows import new_values, task_of, values_of
from duly.stores.sql.runner import Waited

ROW_WAIT_MS = 1_000
"""A row that somebody keeps locked for longer is left to the general way."""

PLANNER = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}

_READY_ORDER = itemgetter(*map(CLAIMED_COLUMNS.index, ("precedence", "run_at", "id")))

LOST = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
)
"""Whatever raised one of these, its connection is not used again: one that takes no writes may lead to what was the
primary before. Nor is one whose call was cancelled, by a time limit too: the driver would wait for what the server says
to the cancel, and on a dead connection it says nothing."""

ERRORS = (*OUTSIDE, asyncpg.PostgresError, *LOST)


class PostgresLane:
    """A Lane."""

    def __init__(
        self,
        pool: PostgresPool,
        dialect: Dialect,
        clock: Clock | None,
        *,
        longest: timedelta,
        waited: Waited,
        doubt: Doubt,
    ) -> None:
        self._pool = pool
        self._dialect = dialect
        self._clock = clock
        self._longest = longest
        self._waited = waited
        self._doubt = doubt
        self._frontier = Frontier()

    async def insert(self, new: Sequence[Task]) -> None:
        """See Lane."""
        plain = plain_columns(new)
        if plain is not None:
            await self._fetch(statements.INSERT_PLAIN, *plain)
        elif all(map(is_new, new)):
            await self._fetch(statements.INSERT_NEW, *zip(*map(new_values, new), strict=True))
        else:
            await self._fetch(statements.INSERT, *zip(*(values_of(task).values() for task in new), strict=True))

    async def claim(
        self,
        queue: str,
        limit: int,
        worker: WorkerId,
        lease: timedelta,
        *,
        among: Collection[TaskId] | None = None,
    ) -> list[Task]:
        """See TaskStore."""
        token = ClaimToken(UUID(uuid4().bytes))
        wanted = (queue, limit, token, worker, lease, self._now())
        if among is None:
            rows = await self._claim_first(queue, limit, wanted)
        else:
            rows = sorted(await self._fetch(statements.CLAIM_AMONG, *wanted, list(among)), key=_READY_ORDER)
        if not rows:
            return []
        started_at = received(rows[0][-1])
        known = Claimed(queue, token, worker, started_at, started_at + lease)
        return [claimed_of(row, known) for row in rows]

    async def _claim_first(self, queue: str, limit: int, wanted: Sequence[object]) -> list[Any]:
        """Those that are first in the order of a claim, as far as it is known where they begin."""
        since = self._frontier.since(queue)
        if since is None:
            rows = await self._claim_everywhere(queue, limit, wanted)
        else:
            began = time.monotonic()
            rows = await self._fetch(statements.CLAIM_BEYOND, *wanted, PRECEDENCES, since)
            self._frontier.looked_onwards(queue, time.monotonic() - began, len(rows))
        rows.sort(key=_READY_ORDER)
        self._frontier.moved(queue, rows, limit)
        return rows

    async def _claim_everywhere(self, queue: str, limit: int, wanted: Sequence[object]) -> list[Any]:
        """Where the last such look was slow, the time is asked first: the next ones may begin there."""
        began = await self._fetch(statements.TIME, self._now(), queue) if self._frontier.slow(queue) else []
        rows = await self._everywhere([queue], statements.CLAIM, *wanted)
        if len(rows) < limit:
            for (now,) in began:
                self._frontier.found_no_more(queue, now)
        return rows

    async def _everywhere(self, queues: Sequence[str], statement: str, *arguments: object) -> list[Any]:
        """The way to the database and back does not count: it is measured, once a look was slow."""
        trip = await self._trip() if any(map(self._frontier.slow, queues)) else 0.0
        began, rows = time.monotonic(), []
        try:
            rows = await self._fetch(statement, *arguments)
        finally:
            self._frontier.looked_everywhere(queues, time.monotonic() - began - trip, len(rows))
        return rows

    async def _trip(self) -> float:
        began = time.monotonic()
        await self._fetch("SELECT 1")
        return time.monotonic() - began

    async def renew(self, renewals: Sequence[Renewal], lease: timedelta) -> dict[TaskId, bool]:
        """See TaskStore. A row that somebody else has locked is being settled; it is told as it was before."""
        ordered = sorted(renewals, key=lambda renewal: renewal.id)
        ids, tokens, progress = ([getattr(r, name) for r in ordered] for name in ("id", "token", "progress"))
        rows = await self._fetch(statements.RENEW, ids, tokens, progress, lease, self._now())
        held = {TaskId(id_): cancelling for id_, cancelling in rows}
        if len(held) < len(ids):
            held = dict(await self._fetch(statements.HOLDING, ids, tokens)) | held
        return held

    async def complete(self, changes: Sequence[Change]) -> list[Change]:
        """See Lane. Rows are locked in the order of their ids."""
        rows = sorted([_completion(change) for change in changes])
        ids, versions, tokens, results, ends = zip(*rows, strict=True)
        columns = (",".join(ids), ",".join(versions), ",".join(tokens), "\x01".join(results), *sent(ends), len(rows))
        try:
            [(written,)] = await self._fetch(statements.COMPLETE, *columns)
        except RowLocked:
            return list(changes)
        if written is None:
            return []
        known = frozenset(written)
        return [change for change in changes if change.before.id not in known]

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """See TaskStore."""
        rows = await self._fetch(statements.GET, list(ids))
        return {task.id: task for task in map(task_of, rows)}

    async def ready(self, queues: Collection[str]) -> set[str]:
        """See QueueStore. Of those that are not worth a look everywhere now a claim itself finds out."""
        looked = [queue for queue in queues if self._frontier.due(queue)]
        unseen = set(queues).difference(looked)
        found = await self._everywhere(looked, statements.READY, looked) if looked else []
        return unseen.union(name for (name,) in found)

    async def close(self) -> None:
        """See Lane. The pool ends what does not say good-bye in time: a dead connection never does."""
        await briefly(self._pool.close())

    def _now(self) -> datetime | None:
        """None: the server's own time."""
        return None if self._clock is None else self._clock.now()

    async def _fetch(self, statement: str, *arguments: object) -> list[Any]:
        once = partial(self._fetch_once, statement, arguments)
        return await repeated(once, ERRORS, self._dialect, self._longest, self._doubt)

    async def _fetch_once(self, statement: str, arguments: Sequence[object]) -> list[Any]:
        began = time.perf_counter()
        connection = await self._pool.take()
        self._waited(time.perf_counter() - began)
        answered = False
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
            answered = True
        except asyncpg.PostgresError as error:
            answered = not isinstance(error, LOST)
            raise
        finally:
            if answered:
                self._pool.give_back(connection)
            else:
                self._pool.drop(connection)
        return rows


def _completion(change: Change) -> tuple[str, str, str, str, datetime | None]:
    """The id, and what else the statement takes of it."""
    before, after, _, _, _ = change
    return before.id_text, str(before.version), str(before.token), after.result or "", after.finished_at
