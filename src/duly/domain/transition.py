"""The life of a task as one pure function: ``decide(task, fact, now)`` says what follows from a fact.

Nothing here touches a database. A store writes a ``Change`` only while the row still has the version and the token
that were seen; who loses that race reads again and decides again.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from duly.domain import fact as facts
from duly.domain.callback import delivery
from duly.domain.errors import ClaimLost, IllegalMove
from duly.domain.event import Detail, Kind, TaskEvent
from duly.domain.fact import Fact
from duly.domain.failure import Failure, printable
from duly.domain.making import ERROR, of
from duly.domain.moment import rfc3339
from duly.domain.state import COMPLETED, RUNNING, WAITING, Reason, State
from duly.domain.task import MAX_CRASHES, ClaimToken, Task, WorkerId

MAX_UNSEEN_CRASHES = 10
"""A task that runs alone in a process of its own is poison when that process dies. When the whole worker vanishes
instead, the task is probably innocent, so it takes this many crashes in all to call it poison."""


class Change(NamedTuple):
    """A decided change of one task, with what must be written in the same transaction.

    A tuple, because every settle makes one. ``after.version`` is ``before.version + 1``. The fence is ``before``'s id,
    version and token.
    """

    before: Task
    after: Task
    events: tuple[TaskEvent, ...] = ()
    adds: tuple[Task, ...] = ()
    judges_lease: bool = False
    """Whether the lease that was seen belongs to the fence too: a renewal since then refuses the change."""

    def made(self, current: Task) -> bool:
        """Whether the row as it is now is this very change, written by us although its answer was lost."""
        return _outcome(current) == _outcome(self.after)


def decide(task: Task, fact: Fact, now: datetime) -> Change | None:
    """What follows from the fact, or None when it changes nothing (a cancel that was asked for already).

    A change that makes a task final adds the delivery of its callback. Raises ClaimLost when a worker's claim no longer
    holds, IllegalMove when the state does not allow the fact.
    """
    change = _completed(task, fact, now) if isinstance(fact, facts.Returned) else _decide(task, fact, now)
    if change is None or task.callback_url is None or not change.after.final:
        return change
    return change._replace(adds=(delivery(change.after, now),))


def _decide(task: Task, fact: facts.Unusual, now: datetime) -> Change | None:
    match fact:
        case facts.Due():
            return _due(task, now)
        case facts.RunNow():
            return _run_now(task, now)
        case facts.Expired():
            return _expire(task, now)
        case facts.LeaseExpired(wait):
            return _lose_lease(task, wait, now)
        case facts.CancelAsked():
            return _cancel(task, now)
        case facts.RetriedByHand(payload):
            return _retry_by_hand(task, payload, now)
        case _:
            return _settle(task, fact, now)


def claimed(task: Task, token: ClaimToken, worker: WorkerId, now: datetime, lease: timedelta) -> Task:
    """The task as a claim leaves it. Stores that claim in SQL do the same; this is the rule that they are held to."""
    return task._replace(
        state=State.RUNNING,
        reason=None,
        attempt=task.attempt + 1,
        version=task.version + 1,
        token=token,
        worker=worker,
        lease_until=now + lease,
        started_at=now,
        progress=None,
        progress_seq=task.progress_seq + (task.progress is not None),
    )


def _due(task: Task, now: datetime) -> Change:
    if task.state is not State.SCHEDULED or task.run_at > now:
        raise IllegalMove(task.id, task.state, "promoted")
    return Change(task, _next(task, State.PENDING))


def _run_now(task: Task, now: datetime) -> Change:
    if task.state is not State.SCHEDULED:
        raise IllegalMove(task.id, task.state, "run now")
    return Change(task, _next(task, State.PENDING)._replace(run_at=now))


def _expire(task: Task, now: datetime) -> Change:
    if task.state not in WAITING or task.expires_at is None or task.expires_at > now:
        raise IllegalMove(task.id, task.state, "expired")
    failure = Failure("Expired", f"No worker claimed the task before {rfc3339(task.expires_at)}.")
    return _failed(task, Reason.EXPIRED, failure, now, Kind.EXPIRED)


def _lose_lease(task: Task, wait: timedelta, now: datetime) -> Change:
    if task.state is not State.RUNNING or task.lease_until is None or task.lease_until > now:
        raise IllegalMove(task.id, task.state, "taken from its worker")
    failure = Failure("WorkerLost", f"The worker {task.worker} gave no sign of life before the lease ran out.")
    limit = MAX_UNSEEN_CRASHES if task.alone else MAX_CRASHES
    return _crashed(task, failure, wait, now, limit)._replace(judges_lease=True)


def _cancel(task: Task, now: datetime) -> Change | None:
    match task.state:
        case State.CANCELLED:
            return None
        case State.COMPLETED | State.FAILED:
            raise IllegalMove(task.id, task.state, "cancelled")
        case State.RUNNING if task.cancelling:
            return None
        case State.RUNNING:
            after = task._replace(version=task.version + 1, cancelling=True)
            return Change(task, after, (_event(after, Kind.CANCEL_REQUESTED, now),))
        case _:
            return _cancelled(task, now)


def _retry_by_hand(task: Task, payload: str | None, now: datetime) -> Change:
    if task.state in (State.RUNNING, State.PENDING):
        raise IllegalMove(task.id, task.state, "retried")
    expired = task.expires_at is not None and task.expires_at <= now
    after = _next(task, State.PENDING)._replace(
        payload=task.payload if payload is None else payload,
        run_at=now,
        failures=0,
        crashes=0,
        cancelling=False,
        result=None,
        error=None,
        progress=None,
        progress_seq=task.progress_seq + (task.progress is not None),
        started_at=None,
        expires_at=None if expired else task.expires_at,
    )
    times = _times(started_at=task.started_at, finished_at=task.finished_at)
    detail: Detail = {"from": task.state.value, **times}
    return Change(task, after, (_event(after, Kind.RETRIED, now, detail),))


def _settle(task: Task, fact: facts.Unreturned, now: datetime) -> Change:
    _check_claim(task, fact.token)
    if task.cancelling or isinstance(fact, facts.Stopped):
        return _cancelled(task, now)
    match fact:
        case facts.Raised(_, failure, wait, reason):
            return _raised(task, reason, failure, wait, now)
        case facts.Unstorable(_, failure, reason):
            return _failed(task, reason, failure, now)
        case facts.Snoozed(_, wait):
            return _put_back(task, Reason.SNOOZED, wait, now)
        case facts.Unhandled(_, wait):
            return _put_back(task, Reason.NO_HANDLER, wait, now)
        case facts.Interrupted():
            return _put_back(task, Reason.INTERRUPTED, None, now)
        case facts.ProcessDied(_, failure, wait):  # pragma: no branch: there is no other
            return _crashed(task, failure, wait, now, MAX_CRASHES)


def _check_claim(task: Task, token: ClaimToken) -> None:
    if task.state is not RUNNING or (task.token is not token and task.token != token):
        raise ClaimLost(task.id)


def _completed(task: Task, fact: facts.Returned, now: datetime) -> Change:
    """Completed, whatever went before: the errors of earlier attempts are in its story, not in its row.

    What ``_replace`` would do, in a fifth of the time: nearly all tasks end here.
    """
    _check_claim(task, fact.token)
    end = (None, False, COMPLETED, None, task.version + 1, fact.result, None, now)
    return Change(task, of(task[:ERROR] + end))


def _raised(task: Task, reason: Reason, failure: Failure, wait: timedelta | None, now: datetime) -> Change:
    failures = task.failures + 1
    if wait is None or failures >= task.max_attempts:
        return _failed(task._replace(failures=failures), reason, replace(failure, retryable=False), now, before=task)
    after = _next(task, State.SCHEDULED, reason)._replace(
        failures=failures,
        run_at=now + wait,
        error=replace(failure, retryable=True).as_json(task.attempt, now),
    )
    detail = _error_detail(reason, failure) | {"run_at": rfc3339(after.run_at)}
    return Change(task, after, (_event(after, Kind.RETRY_SCHEDULED, now, detail),))


def _crashed(task: Task, failure: Failure, wait: timedelta, now: datetime, limit: int) -> Change:
    if task.cancelling:
        return _cancelled(task, now)
    crashes = task.crashes + 1
    if crashes >= limit:
        return _failed(task._replace(crashes=crashes), Reason.POISON, failure, now, before=task)
    back_off = crashes > 1 and wait > timedelta()
    after = _next(task, State.SCHEDULED if back_off else State.PENDING, Reason.WORKER_LOST)._replace(
        crashes=crashes,
        run_at=now + wait if back_off else task.run_at,
    )
    detail: Detail = _error_detail(Reason.WORKER_LOST, failure) | {"run_at": rfc3339(after.run_at)}
    return Change(task, after, (_event(after, Kind.LEASE_LOST, now, detail),))


def _put_back(task: Task, reason: Reason, wait: timedelta | None, now: datetime) -> Change:
    if wait is None:
        after = _next(task, State.PENDING, reason)
    else:
        after = _next(task, State.SCHEDULED, reason)._replace(run_at=now + wait)
    detail: Detail = {"reason": reason.value, "run_at": rfc3339(after.run_at)}
    return Change(task, after, (_event(after, Kind.PUT_BACK, now, detail),))


def _failed(
    task: Task,
    reason: Reason,
    failure: Failure,
    now: datetime,
    kind: Kind = Kind.FAILED,
    *,
    before: Task | None = None,
) -> Change:
    after = _next(task, State.FAILED, reason)._replace(
        error=failure.as_json(task.attempt, now), finished_at=now, cancelling=False
    )
    return Change(before or task, after, (_event(after, kind, now, _error_detail(reason, failure)),))


def _cancelled(task: Task, now: datetime) -> Change:
    after = _next(task, State.CANCELLED, Reason.CANCELLED)._replace(finished_at=now, cancelling=False)
    return Change(task, after, (_event(after, Kind.CANCELLED, now),))


def _next(task: Task, state: State, reason: Reason | None = None) -> Task:
    """The task one version on, unclaimed; the token stays, so that a repeated settle knows its own work."""
    return task._replace(state=state, reason=reason, version=task.version + 1, lease_until=None, finished_at=None)


def _event(after: Task, kind: Kind, now: datetime, detail: Detail | None = None) -> TaskEvent:
    """The event of a change; it keeps when the attempt had started, because the row will forget."""
    return TaskEvent(
        task_id=after.id,
        version=after.version,
        at=now,
        kind=kind,
        attempt=after.attempt,
        worker=after.worker,
        detail=(detail or {}) | _times(started_at=after.started_at),
    )


def _times(**times: datetime | None) -> Detail:
    return {name: rfc3339(at) for name, at in times.items() if at is not None}


def _error_detail(reason: Reason, failure: Failure) -> Detail:
    return {
        "reason": reason.value,
        "error_type": printable(failure.type, 256),
        "message": printable(failure.message, 1024),
    }


def _outcome(task: Task) -> tuple[object, ...]:
    return (
        task.id,
        task.version,
        task.token,
        task.state,
        task.reason,
        task.failures,
        task.crashes,
        task.result,
        task.error,
    )
