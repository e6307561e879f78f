"""Tasks and what belongs to them, with defaults: a test names only what matters to it."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

from duly.domain.event import Kind, TaskEvent
from duly.domain.failure import Failure
from duly.domain.making import READY
from duly.domain.stats import BOUNDS_MS, Histogram, WorkerRecord
from duly.domain.task import ClaimToken, Task, TaskId, WorkerId
from duly.domain.transition import claimed

NOON = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
"""When nothing else is said, it is this time."""

LEASE = timedelta(seconds=30)
WORKER = WorkerId("worker-1")

_numbers = count(1)


def a_task_id(number: int | None = None) -> TaskId:
    """A UUIDv7 later than all before it; with a number, always the same one."""
    at = int(NOON.timestamp() * 1000) + (next(_numbers) if number is None else number)
    return TaskId(UUID(int=(at << 80) | (0x7 << 76) | (0x2 << 62) | (0 if number is not None else uuid4().int >> 68)))


def a_token() -> ClaimToken:
    return ClaimToken(uuid4())


def a_task(**given: object) -> Task:
    """A pending task that is ready since NOON."""
    task_id = given.get("id") or a_task_id()
    defaults: dict[str, object] = {
        "id": task_id,
        "id_text": str(task_id),
        "type": "text.reverse",
        "queue": "default",
        "priority": 5,
        "payload": '{"text": "hello"}',
        "max_attempts": 5,
        "timeout": timedelta(hours=1),
        "run_at": NOON,
        "created_at": NOON,
        "expires_at": None,
        "key": None,
        "tags": (),
        "request_id": None,
        "traceparent": None,
        "callback_url": None,
    }
    fresh = dict(zip(Task._fields[len(defaults) :], READY, strict=True))
    return Task(**(defaults | fresh | given))  # type: ignore[arg-type]


def a_running_task(**given: object) -> Task:
    """A task as its first claim, made at NOON by WORKER, leaves it; ``given`` overrides."""
    return claimed(a_task(), a_token(), WORKER, NOON, LEASE)._replace(**given)  # type: ignore[arg-type]


def a_failure(type_: str = "ValueError", message: str = "no such thing", **given: object) -> Failure:
    return Failure(type_, message, **given)  # type: ignore[arg-type]


def an_event(task: Task, kind: Kind = Kind.WRITE_REFUSED, **given: object) -> TaskEvent:
    defaults: dict[str, object] = {
        "task_id": task.id,
        "version": task.version,
        "at": NOON,
        "kind": kind,
        "attempt": task.attempt,
    }
    return TaskEvent(**(defaults | given))  # type: ignore[arg-type]


def a_worker(**given: object) -> WorkerRecord:
    defaults: dict[str, object] = {
        "id": WORKER,
        "host": "host-1",
        "pid": 4711,
        "queues": ("default",),
        "types": ("text.reverse",),
        "slots": 10,
        "running": 0,
        "version": "0.1.0",
        "started_at": NOON,
        "seen_at": NOON,
    }
    return WorkerRecord(**(defaults | given))  # type: ignore[arg-type]


def a_histogram(**given: object) -> Histogram:
    defaults: dict[str, object] = {
        "process": "process-1",
        "queue": "default",
        "at": NOON,
        "submitted": 0,
        "completed": 0,
        "failed": 0,
        "waits": (0,) * (len(BOUNDS_MS) + 1),
        "runs": (0,) * (len(BOUNDS_MS) + 1),
    }
    return Histogram(**(defaults | given))  # type: ignore[arg-type]
