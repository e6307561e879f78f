"""A task: one piece of work and its whole life."""

from datetime import datetime, timedelta
from typing import NamedTuple, NewType
from uuid import UUID

from duly.domain.errors import ClaimLost
from duly.domain.state import FINAL, Reason, State

TaskId = NewType("TaskId", UUID)
"""A UUIDv7, made before the insert, so that an insert of unknown outcome can be repeated or looked up."""

ClaimToken = NewType("ClaimToken", UUID)
"""Made anew for every claim and never used twice: with the id it is the fence of a worker's writes."""

WorkerId = NewType("WorkerId", str)
"""Made anew for every worker process, so that a restarted process never passes for its predecessor."""

MAX_CRASHES = 3
"""A task whose crashes reach this number is poison."""

LOWEST_PRIORITY, HIGHEST_PRIORITY, DEFAULT_PRIORITY = 0, 9, 5
DEFAULT_QUEUE = "default"


class Task(NamedTuple):
    """One row of the truth.

    A tuple, because every claim and every settle makes one, and a dictionary of so many fields is four times as large.
    ``payload``, ``result``, ``error`` and ``progress`` are JSON text in ASCII (everything else, and NUL, is escaped),
    so that every database stores them alike. All times are aware and in UTC.
    """

    # What a submit says, and a retry by hand.
    id: TaskId
    id_text: str
    """The id as text, made once: its log lines have it, and so have all that it becomes."""
    type: str
    queue: str
    priority: int
    payload: str
    max_attempts: int
    timeout: timedelta
    """How long one attempt may take."""
    run_at: datetime
    created_at: datetime
    expires_at: datetime | None
    key: str | None
    tags: tuple[str, ...]
    request_id: str | None
    traceparent: str | None
    callback_url: str | None
    """Who is told when the task has become final, each time that it does."""

    # What its attempts leave.
    attempt: int
    """Counts claims; never goes down."""
    failures: int
    """Attempts that failed by the handler's fault; what the retry policy counts."""
    crashes: int
    """Claims lost without a word."""
    progress_seq: int
    progress: str | None
    token: ClaimToken | None
    """The token of the last claim; kept when the task is settled, so that a repeated settle knows its own work."""
    worker: WorkerId | None
    """Who made the last claim."""
    started_at: datetime | None
    """When the last attempt was claimed."""
    error: str | None
    cancelling: bool
    """A cancel was asked for while the task ran."""

    # What an ordinary completion changes, and nothing else.
    state: State
    reason: Reason | None
    version: int
    """Counts decided changes; never goes down; fences every write."""
    result: str | None
    lease_until: datetime | None
    """Until when the claim is believed; None unless running."""
    finished_at: datetime | None

    @property
    def final(self) -> bool:
        """Whether only a retry by hand can move the task."""
        return self.state in FINAL

    @property
    def claim(self) -> ClaimToken:
        """The token of the claim under which the task runs. Raises ClaimLost when nobody has ever claimed it."""
        if self.token is None:
            raise ClaimLost(self.id)
        return self.token

    @property
    def validator(self) -> str:
        """What an ETag is made of: changes with every change that a reader can see."""
        return f"{self.version}.{self.progress_seq}"

    @property
    def alone(self) -> bool:
        """Whether the next crash would make the task poison, so that it must run alone in a process of its own."""
        return self.crashes >= MAX_CRASHES - 1

    @property
    def wake_at(self) -> datetime | None:
        """When a sweeper must look at the task: it is due, its lease ends, or it expires. None: never by itself."""
        match self.state:
            case State.RUNNING:
                return self.lease_until
            case State.SCHEDULED:
                return min(self.run_at, self.expires_at) if self.expires_at else self.run_at
            case State.PENDING:
                return self.expires_at
            case _:
                return None
