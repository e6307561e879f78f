"""The truth: what a database must be able to do for Duly.

Each method is one transaction of its own. All raise StoreUnavailable when the database cannot be reached in time or
the answer to a commit was lost; a write is then of unknown outcome, and every write here may be repeated as it is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from duly.domain.event import TaskEvent
from duly.domain.query import Page, TaskQuery
from duly.domain.state import State
from duly.domain.stats import Histogram, QueueDepth, QueueState, WorkerRecord
from duly.domain.task import ClaimToken, Task, TaskId, WorkerId
from duly.domain.transition import Change
from duly.ports.clock import Clock
from duly.ports.identity import KeyStore
from duly.ports.joined import Joined
from duly.ports.once import OnceStore

MAX_BATCH = 500
"""Rows in one batch of a hot method, at most; callers cut their lists."""

MAX_COUNTED = 100
"""So many workers a beat looks at: a thousand that each counted a thousand would cost more than their work."""

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""JSON text in one batch, at most, unless it is one row alone."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """A sign of life of one claim. ``progress``, when not None, replaces the task's and raises its progress_seq."""

    id: TaskId
    token: ClaimToken
    progress: str | None = None


class TaskStore(Protocol):
    """The tasks. Only ``add``, ``claim``, ``renew`` and ``apply`` write one."""

    async def add(self, tasks: Sequence[Task], *, within: Collection[str] | None = None) -> list[Task]:
        """Insert all or none. Returns, in order, what is stored for each: itself, or the live task that holds its key.

        An id that is already stored is left as it is and counts as inserted, so an add of unknown outcome may be
        repeated. Raises KeyInFlight when another open transaction holds a key for over a second, and KeyTaken when a
        task of a queue that is not ``within`` these holds one.
        """
        ...

    async def claim(
        self,
        queue: str,
        limit: int,
        worker: WorkerId,
        lease: timedelta,
        *,
        among: Collection[TaskId] | None = None,
    ) -> list[Task]:
        """Take up to ``limit`` pending tasks of one queue, highest priority first, then by ``run_at``, then by id.

        With ``among`` (hints, at most MAX_BATCH) only these tasks are taken, if they still wait in this queue.

        Returns them as claimed: a new token, attempt and version raised by one. Rows that another claim holds are
        skipped, not waited for. A paused queue gives nothing; a task past its ``expires_at`` is not claimed.
        """
        ...

    async def renew(self, renewals: Sequence[Renewal], lease: timedelta) -> dict[TaskId, bool]:
        """Prolong these claims to ``lease`` from now, whether or not they had run out.

        Returns those that still hold, each with whether its task is to be cancelled; who is missing has lost its claim.
        """
        ...

    async def apply(self, changes: Sequence[Change]) -> list[Change]:
        """Write each change whose task still has the version and token that were seen, with its events and adds.

        A change that judged the lease (``judges_lease``) also needs it to be as it was seen.
        Only the fields in which ``after`` differs from ``before`` are written: a renewal in between keeps its lease and
        its progress. An added task whose key is taken is left out. Of two changes of one task the first wins.

        One transaction for all; returns those that lost the race, in order, of which nothing was written. Raises
        KeyTaken when a change (a retry by hand) would make a second live task of its key; then nothing is written.
        """
        ...

    async def get(self, ids: Collection[TaskId]) -> dict[TaskId, Task]:
        """Those that exist."""
        ...

    async def page(self, query: TaskQuery) -> Page:
        """One page, newest id first; looks at no more than MAX_LOOKED_AT rows."""
        ...

    async def overdue(self, state: State, limit: int) -> list[Task]:
        """Tasks in this state whose ``wake_at`` has passed, the longest overdue first; nothing is locked."""
        ...

    async def soonest(self) -> dict[State, timedelta]:
        """In how long the first scheduled, pending and running task wakes (``wake_at``); overdue is below zero.

        One look for all three, by the store's clock; a state in which nothing ever wakes is missing.
        """
        ...

    async def unhandled(self, types: Collection[str], limit: int) -> list[Task]:
        """Tasks of these types that wait because nobody had a handler for them (scheduled, ``no_handler``)."""
        ...

    async def cancelling(self, ids: Collection[TaskId]) -> set[TaskId]:
        """Those of the ids that run and whose cancel was asked for; looks at nothing but that."""
        ...


class HistoryStore(Protocol):
    """What became of tasks: their stories, and the ids of those that are gone."""

    async def events(self, task_id: TaskId) -> list[TaskEvent]:
        """The stored events of the task, oldest first."""
        ...

    async def record(self, events: Sequence[TaskEvent]) -> None:
        """Keep events that change no task (a refused write). An event of a task that is gone is dropped."""
        ...

    async def purge(self, kept: "Retention", limit: int) -> int:
        """Delete up to ``limit`` tasks whose retention has ended, with their stories; their ids stay known as purged.

        Returns how many. Safe in several processes at once: rows that another purge holds are skipped.
        """
        ...

    async def delete(self, task: Task) -> bool:
        """Delete this final task if it still has this version; its id stays known as purged. False: it changed."""
        ...

    async def purged(self, ids: Collection[TaskId]) -> set[TaskId]:
        """Those of the ids that were purged or deleted and are still remembered."""
        ...

    async def forget(self, older_than: timedelta, limit: int) -> int:
        """Stop remembering up to ``limit`` purged ids that have been gone for longer. Returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class Retention:
    """How long final tasks are kept, counted from ``finished_at``; ``queues`` overrides both for a queue."""

    done: timedelta
    """For completed and cancelled tasks."""
    failed: timedelta
    queues: Mapping[str, timedelta]


class QueueStore(Protocol):
    """The queues: their pause, and what waits in them."""

    async def states(self) -> list[QueueState]:
        """Every queue that was ever declared, by name."""
        ...

    async def declare(self, queues: Collection[str]) -> None:
        """Make these queues known; those that are known are left as they are."""
        ...

    async def pause(self, queue: str, paused: bool) -> QueueState:
        """Pause or resume. After this returns, no claim that starts later takes a task of a paused queue.

        Raises QueueNotFound.
        """
        ...

    async def depths(self) -> list[QueueDepth]:
        """Live tasks per queue, counted from the partial indexes of live states only."""
        ...

    async def ready(self, queues: Collection[str]) -> set[str]:
        """Those of the queues in which a task is pending, whether or not it may be claimed.

        Where it would take long to find out, one without any may be among them.
        """
        ...

    async def unclaimed(self, queue: str, older_than: timedelta, limit: int) -> list[tuple[TaskId, int]]:
        """Pending tasks that have been ready for longer than this, in the order of claims: id and priority of each."""
        ...

    async def add_rates(self, histograms: Sequence[Histogram]) -> None:
        """Keep what one process counted in one interval. Repeated, it replaces what was kept for that interval."""
        ...

    async def rates(self, since: timedelta) -> list[Histogram]:
        """What all processes counted in the last ``since``."""
        ...

    async def drop_rates(self, older_than: timedelta) -> int:
        """Delete counts older than this. Returns how many."""
        ...


class Roster(Protocol):
    """Who is alive, and what they hold."""

    async def beat(self, worker: WorkerRecord, within: timedelta) -> int:
        """Say that this worker lives and what it does; its ``seen_at`` becomes now.

        Returns how many lived ``within`` this time, itself among them; no more than MAX_COUNTED are counted.
        """
        ...

    async def leave(self, worker: WorkerId) -> None:
        """The worker has ended in good order."""
        ...

    async def alive(self, within: timedelta) -> list[WorkerRecord]:
        """Workers that gave a sign of life within this time, the oldest first."""
        ...

    async def bury(self, silent_for: timedelta) -> int:
        """Drop workers that have been silent for longer. Returns how many."""
        ...

    async def claims(self, worker: WorkerId) -> list[Task]:
        """The running tasks whose last claim this worker made: what a claim of unknown outcome may have taken."""
        ...


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What `/v1/capabilities` tells of a store."""

    kind: str
    """``memory``, ``sqlite``, ``postgresql``, ``mysql``, ``mariadb``."""
    version: str
    durability: str
    """In one sentence: what a commit survives, as the database is set up now."""
    warnings: tuple[str, ...] = ()
    """What is set up in a way that costs speed, with what to do."""


class Store(Protocol):
    """One database, open. Its parts share connections; it may be used from the event loop that opened it only."""

    @property
    def tasks(self) -> TaskStore:
        """The tasks."""
        ...

    @property
    def history(self) -> HistoryStore:
        """Their stories, and what is gone."""
        ...

    @property
    def queues(self) -> QueueStore:
        """The queues and their counts."""
        ...

    @property
    def roster(self) -> Roster:
        """The workers."""
        ...

    @property
    def joined(self) -> Joined:
        """Writes inside a caller's own transaction."""
        ...

    @property
    def once(self) -> OnceStore:
        """Submits that are not to be done twice."""
        ...

    @property
    def keys(self) -> KeyStore:
        """The API keys."""
        ...

    @property
    def clock(self) -> Clock:
        """Follows the database's clock: set at opening and every few seconds."""
        ...

    async def facts(self) -> StoreFacts:
        """Asked from the database now."""
        ...

    async def check(self) -> None:
        """Prove that a write works now (the readiness of a process). Raises StoreUnavailable, SchemaOutdated."""
        ...

    async def close(self) -> None:
        """Give back all connections; what is under way is finished first. May be called twice."""
        ...
