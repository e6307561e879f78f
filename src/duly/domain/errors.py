"""Every error that Duly raises, in one tree.

DulyError
├── BadRequest                  malformed JSON, a bad cursor, a bad header
├── Invalid                     a well-formed request that does not fit; says where
│   ├── UnknownType             no handler is registered under that type
│   └── RowInvalid              the database refused a value; in a batch, of one row of it
├── TooLarge                    a body, a batch or a payload over its limit
├── NotFound
│   ├── TaskNotFound
│   ├── QueueNotFound
│   └── TypeNotFound
├── TaskPurged                  the task existed; its retention has ended
├── IllegalMove                 the task's state does not allow this
├── NotFinished                 there is no result yet
├── KeyTaken                    another live task holds this key
├── KeyInFlight                 somebody's open transaction holds this key
├── KeyReused                   this Idempotency-Key was used for another body
├── QueueFull                   too many tasks wait in this queue
├── TooMany                     too much at once; nothing was done
├── ClaimLost                   the claim is no longer ours: nothing was settled
├── TaskFailed                  the task whose result was awaited has failed
├── TaskCancelled               the task whose result was awaited was cancelled
├── ResultInvalid               a result that cannot be stored as JSON
├── ResultTooLarge
├── StoreUnavailable            the database cannot be reached, or the outcome is unknown
├── BrokerUnavailable           the broker cannot be reached; costs time, never a task
├── CacheUnavailable            the cache cannot be reached; the database answers
├── SchemaOutdated              the database needs `duly migrate`
└── Misconfigured               a setting, a handler or an address that cannot work
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


class DulyError(Exception):
    """The root. ``code`` is stable and the same in Python, over HTTP and in logs."""

    code = "internal"


class BadRequest(DulyError):
    """The request cannot be understood at all."""

    code = "bad-request"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with a body: a JSON pointer (RFC 6901) and what is wrong there."""

    pointer: str
    detail: str


class Invalid(DulyError):
    """The request is understood but does not fit; ``flaws`` names each place."""

    code = "invalid"

    def __init__(self, detail: str, flaws: Sequence[Flaw] = ()) -> None:
        super().__init__(detail)
        self.flaws = tuple(flaws)


class UnknownType(Invalid):
    """No handler is registered under this type."""

    code = "unknown-type"

    def __init__(self, type_name: str, pointer: str = "/type") -> None:
        super().__init__(
            f"No handler is registered for the type {type_name!r}.", [Flaw(pointer, f"unknown type {type_name!r}")]
        )
        self.type_name = type_name


class RowInvalid(Invalid):
    """The database refused a value of a row. Nothing of the batch was written, its good rows neither."""


class TooLarge(DulyError):
    """Something is over its size limit; the message says which and how much is allowed."""

    code = "too-large"


class NotFound(DulyError):
    """What was asked for does not exist."""

    code = "not-found"


class TaskNotFound(NotFound):
    """No task has this id."""

    code = "task-not-found"

    def __init__(self, task_id: object) -> None:
        super().__init__(f"There is no task {task_id}.")
        self.task_id = task_id


class QueueNotFound(NotFound):
    """No task or worker has ever used this queue."""

    code = "queue-not-found"

    def __init__(self, queue: str) -> None:
        super().__init__(f"There is no queue {queue!r}.")
        self.queue = queue


class TypeNotFound(NotFound):
    """No handler is registered under this type."""

    code = "type-not-found"

    def __init__(self, type_name: str) -> None:
        super().__init__(f"There is no type {type_name!r}.")
        self.type_name = type_name


class TaskPurged(DulyError):
    """The task existed, ended, and was purged or deleted."""

    code = "task-purged"

    def __init__(self, task_id: object) -> None:
        super().__init__(f"Task {task_id} was purged after its retention, or deleted.")
        self.task_id = task_id


class IllegalMove(DulyError):
    """The task is in a state that does not allow what was asked; nothing changed."""

    code = "illegal-move"

    def __init__(self, task_id: object, state: str, move: str) -> None:
        super().__init__(f"Task {task_id} is {state}: it cannot be {move}.")
        self.task_id = task_id
        self.state = state
        self.move = move


class NotFinished(DulyError):
    """The task has no result, because it has not completed."""

    code = "not-finished"

    def __init__(self, task_id: object, state: str) -> None:
        super().__init__(f"Task {task_id} is {state}: it has no result.")
        self.task_id = task_id
        self.state = state


class KeyTaken(DulyError):
    """Another task of the type that is not final holds this key."""

    code = "key-taken"

    def __init__(self, type_name: str, key: str) -> None:
        super().__init__(f"A live task of type {type_name!r} already holds the key {key!r}.")
        self.type_name = type_name
        self.key = key


class KeyInFlight(DulyError):
    """An open transaction holds this key; whether it will commit is not known yet. Try again."""

    code = "key-in-flight"

    def __init__(self, key: str, retry_after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(f"The key {key!r} is held by a transaction that is still open. Try again.")
        self.key = key
        self.retry_after = retry_after


class KeyReused(DulyError):
    """The Idempotency-Key came with another body before; nothing was done."""

    code = "key-reused"

    def __init__(self, key: str) -> None:
        super().__init__(f"The Idempotency-Key {key!r} was used for another body. A new request needs a new key.")
        self.key = key


class QueueFull(DulyError):
    """As many tasks as are allowed wait in the queue; nothing was accepted."""

    code = "queue-full"

    def __init__(self, queue: str, most: int, retry_after: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(f"The queue {queue!r} is full: {most} tasks or more are pending in it.")
        self.queue = queue
        self.retry_after = retry_after


class TooMany(DulyError):
    """More at once than is taken here; nothing was done."""

    code = "too-many"

    def __init__(self, detail: str, retry_after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ClaimLost(DulyError):
    """The claim was lost (its lease ran out, or the task was decided otherwise): nothing was written."""

    code = "claim-lost"

    def __init__(self, task_id: object) -> None:
        super().__init__(f"The claim on task {task_id} is lost: its outcome is refused.")
        self.task_id = task_id


class TaskFailed(DulyError):
    """The task whose result was awaited has failed; ``error`` is its stored error as a mapping."""

    code = "task-failed"

    def __init__(self, task_id: object, reason: str | None, error: object) -> None:
        super().__init__(f"Task {task_id} failed ({reason}): {error}")
        self.task_id = task_id
        self.reason = reason
        self.error = error


class TaskCancelled(DulyError):
    """The task whose result was awaited was cancelled."""

    code = "task-cancelled"

    def __init__(self, task_id: object) -> None:
        super().__init__(f"Task {task_id} was cancelled.")
        self.task_id = task_id


class ResultInvalid(DulyError):
    """A result that JSON cannot carry: NaN, a lone surrogate, an object of no known form."""

    code = "result-invalid"


class ResultTooLarge(DulyError):
    """A result over the size limit."""

    code = "result-too-large"


class StoreUnavailable(DulyError):
    """The database cannot be reached in time, or a commit's answer was lost.

    For a write this means "outcome unknown": repeat it with the same ids.
    """

    code = "store-unavailable"

    def __init__(self, detail: str, retry_after: timedelta = timedelta(seconds=2)) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BrokerUnavailable(DulyError):
    """The broker cannot be reached or refuses; tasks are found in the database meanwhile."""

    code = "broker-unavailable"


class CacheUnavailable(DulyError):
    """The cache cannot be reached or refuses; reads go to the database meanwhile."""

    code = "cache-unavailable"


class SchemaOutdated(DulyError):
    """The database's schema is older than this Duly needs."""

    code = "schema-outdated"

    def __init__(self, found: str | None, needed: str) -> None:
        super().__init__(
            f"The database is at schema {found or 'none'}, this Duly needs {needed}. Run `duly migrate` first."
        )
        self.found = found
        self.needed = needed


class Misconfigured(DulyError):
    """A setting, a handler or an address cannot work; the message says what to change."""

    code = "misconfigured"
