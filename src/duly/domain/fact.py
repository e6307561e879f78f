"""What can happen to a task; ``transition.decide`` says what follows.

Facts with a ``token`` come from a worker and hold only while that claim does.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from duly.domain.failure import Failure
from duly.domain.state import Reason
from duly.domain.task import ClaimToken


@dataclass(frozen=True, slots=True)
class Due:
    """Its time has come."""


@dataclass(frozen=True, slots=True)
class RunNow:
    """It need not wait any longer: run by hand, or a handler has turned up."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Nobody claimed it before its ``expires_at``."""


@dataclass(frozen=True, slots=True)
class LeaseExpired:
    """Its lease ran out without a word from the worker; ``wait`` keeps it back for a while after repeated crashes."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Somebody wants it cancelled."""


@dataclass(frozen=True, slots=True)
class RetriedByHand:
    """Somebody wants it run again from the start; a payload, if given, replaces the old one."""

    payload: str | None = None


class Returned(NamedTuple):
    """The handler returned; the result is JSON text in ASCII. A tuple, because nearly all attempts end like this."""

    token: ClaimToken
    result: str


@dataclass(frozen=True, slots=True)
class Raised:
    """The attempt failed by the handler's fault. ``wait``: until the next try, if the policy allows one."""

    token: ClaimToken
    failure: Failure
    wait: timedelta | None
    reason: Reason = Reason.HANDLER_ERROR


@dataclass(frozen=True, slots=True)
class Unstorable:
    """The handler returned, but what it returned cannot be kept (``result_invalid``, ``result_too_large``)."""

    token: ClaimToken
    failure: Failure
    reason: Reason


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The handler asked to run later."""

    token: ClaimToken
    wait: timedelta


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The worker stops and puts the task back."""

    token: ClaimToken


@dataclass(frozen=True, slots=True)
class Stopped:
    """The handler noticed a cancel request and stopped."""

    token: ClaimToken


@dataclass(frozen=True, slots=True)
class Unhandled:
    """This worker has no handler of the task's type."""

    token: ClaimToken
    wait: timedelta


@dataclass(frozen=True, slots=True)
class ProcessDied:
    """The process in which the task ran alone died, and its worker saw it."""

    token: ClaimToken
    failure: Failure
    wait: timedelta


Unreturned = Raised | Unstorable | Snoozed | Interrupted | Stopped | Unhandled | ProcessDied
WorkerFact = Returned | Unreturned
Unusual = Due | RunNow | Expired | LeaseExpired | CancelAsked | RetriedByHand | Unreturned
Fact = Returned | Unusual
