"""What a handler may know and say about the attempt that it is."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from duly.domain.failure import printable
from duly.engine.jsontext import encoded

MAX_NOTE = 1_024


class Attempt(Protocol):
    """What stands behind a context: the worker's side of a running attempt."""

    def report(self, progress: str) -> None:
        """Keep the newest progress (JSON text); it is written with the next sign of life."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the task's cancel, or the attempt is to end for another reason."""
        ...

    async def complete_in(self, session: object, result: object) -> None:
        """Settle inside the caller's transaction."""
        ...

    def complete_in_blocking(self, session: object, result: object) -> None:
        """The same for a synchronous session, in the calling thread."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Given to a handler that has a parameter annotated with it."""

    task_id: UUID
    type: str
    queue: str
    attempt: int
    """Which claim of the task this is; counts crashes and snoozes too."""
    failures: int
    """How many attempts have failed by the handler's fault before this one."""
    max_attempts: int
    timeout: timedelta
    request_id: str | None
    traceparent: str | None
    behind: Attempt

    @property
    def cancelled(self) -> bool:
        """Whether this attempt should stop: a cancel was asked for, or the worker stops and can wait no longer.

        An ``async def`` handler is cancelled by itself; others look here now and then and return or raise.
        """
        return self.behind.cancelled

    async def progress(self, fraction: float | None = None, note: str = "") -> None:
        """Say how far the work is (0 to 1) and what it is doing. Cheap: written once a second at most."""
        self.progress_sync(fraction, note)

    def progress_sync(self, fraction: float | None = None, note: str = "") -> None:
        """The same in a ``def`` handler."""
        if fraction is not None and not 0 <= fraction <= 1:
            raise ValueError(f"progress is a fraction from 0 to 1, not {fraction}")
        self.behind.report(encoded({"fraction": fraction, "note": printable(note, MAX_NOTE)}))

    async def complete_in(self, session: object, result: object) -> None:
        """Complete the task inside the handler's own transaction: it is completed when, and only when, that commits.

        ``session`` is a SQLAlchemy AsyncSession or AsyncConnection (or a synchronous one) on Duly's database. Call it
        once, last in the transaction, commit, and return; what the handler returns afterwards is not looked at.
        Raises ClaimLost when the attempt has lost its claim: let it pass, so that the transaction is rolled back.
        """
        await self.behind.complete_in(session, result)

    def complete_in_sync(self, session: object, result: object) -> None:
        """The same in a ``def`` handler, for a synchronous Session or Connection."""
        self.behind.complete_in_blocking(session, result)
