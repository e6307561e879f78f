"""A task as bytes, and back, exactly: what a cache keeps."""

import json
from datetime import datetime, timedelta
from uuid import UUID

from duly.domain.moment import EPOCH, MICROSECOND
from duly.domain.state import Reason, State
from duly.domain.task import ClaimToken, Task, TaskId, WorkerId

FORM = 2
"""Raised whenever the form changes, so that processes of two versions never misread each other."""


def encode(task: Task) -> bytes:
    """A JSON array in ASCII: the form, then the fields in order, a line each. Times count whole microseconds."""
    return json.dumps(
        [
            FORM,
            task.id.hex,
            task.type,
            task.queue,
            task.priority,
            task.payload,
            task.max_attempts,
            task.timeout // MICROSECOND,
            _from_time(task.run_at),
            _from_time(task.created_at),
            task.state,
            task.reason,
            task.attempt,
            task.failures,
            task.crashes,
            task.version,
            task.progress_seq,
            task.progress,
            task.result,
            task.error,
            task.cancelling,
            None if task.token is None else task.token.hex,
            task.worker,
            _from_time(task.lease_until),
            _from_time(task.started_at),
            _from_time(task.finished_at),
            _from_time(task.expires_at),
            task.key,
            task.tags,
            task.request_id,
            task.traceparent,
            task.callback_url,
        ],
        separators=(",", ":"),
    ).encode("ascii")


def decode(written: bytes) -> Task:
    """Raises ValueError for what is no task of this form."""
    try:
        form, *fields = json.loads(written)
        if form != FORM:
            raise ValueError(f"form {form!r}, not {FORM}")
        return _task(*fields)
    except (TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no task: {error}") from error


def _task(  # noqa: PLR0917  # the order of the fields is the form
    task_id: str,
    type_: str,
    queue: str,
    priority: int,
    payload: str,
    max_attempts: int,
    timeout: int,
    run_at: int,
    created_at: int,
    state: str,
    reason: str | None,
    attempt: int,
    failures: int,
    crashes: int,
    version: int,
    progress_seq: int,
    progress: str | None,
    result: str | None,
    error: str | None,
    cancelling: bool,
    token: str | None,
    worker: str | None,
    lease_until: int | None,
    started_at: int | None,
    finished_at: int | None,
    expires_at: int | None,
    key: str | None,
    tags: list[str],
    request_id: str | None,
    traceparent: str | None,
    callback_url: str | None,
) -> Task:
    """The fields, a line each, as parameters and as what they become: a wrong number of them is no task."""
    id_ = UUID(task_id)
    return Task(
        id=TaskId(id_),
        id_text=str(id_),
        type=type_,
        queue=queue,
        priority=priority,
        payload=payload,
        max_attempts=max_attempts,
        timeout=timedelta(microseconds=timeout),
        run_at=_time(run_at),
        created_at=_time(created_at),
        expires_at=_maybe_time(expires_at),
        key=key,
        tags=tuple(tags),
        request_id=request_id,
        traceparent=traceparent,
        callback_url=callback_url,
        attempt=attempt,
        failures=failures,
        crashes=crashes,
        progress_seq=progress_seq,
        progress=progress,
        token=None if token is None else ClaimToken(UUID(token)),
        worker=None if worker is None else WorkerId(worker),
        started_at=_maybe_time(started_at),
        error=error,
        cancelling=cancelling,
        state=State(state),
        reason=None if reason is None else Reason(reason),
        version=version,
        result=result,
        lease_until=_maybe_time(lease_until),
        finished_at=_maybe_time(finished_at),
    )


def _from_time(at: datetime | None) -> int | None:
    return None if at is None else (at - EPOCH) // MICROSECOND


def _time(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def _maybe_time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _time(microseconds)
