"""Histories as torture records them, made by hand: builders whose defaults show a task that lives well."""

import json
from collections.abc import Sequence
from typing import Any

from duly.domain.webhook import key_of, signed
from duly.torture.checker import judge
from duly.torture.history import Settled, history
from duly.torture.records import Delivery, Effect, Fault, Final, Move, ProcessSign, Read, Record, Submit, Terms
from duly.torture.verdict import Verdict

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBjaGVja2VyJ3MgdGVzdHM="
TERMS = Terms(lease=3, renewal=1, grace=2, callback_secrets=[SECRET], began=0.0)
A_MOMENT = 0.01
ONE = "2026-11-22T10:30:00Z"


def a_task(state: str = "completed", version: int = 3, attempt: int = 1, **more: Any) -> dict[str, Any]:
    reason = "cancelled" if state == "cancelled" else None
    known = {"id": "one", "type": "torture.echo", "reason": reason, "key": None, "tags": [], "waiting": None}
    times = {"created_at": ONE, "finished_at": None}
    return known | times | {"state": state, "version": version, "attempt": attempt} | more


def submit(t: float, task: dict[str, Any] | None = None, status: int | None = 202, **more: Any) -> Submit:
    body = {"type": "torture.echo"} | more.pop("body", {})
    answer = {"answered": None if status is None else t + A_MOMENT, "status": status}
    values = {"client": "a", "sent": t, "key": None, "body": body, "task": task} | answer | more
    return Submit(**values)


def read(t: float, task: dict[str, Any] | None, status: int = 200, **more: Any) -> Read:
    id_ = "one" if task is None else task["id"]
    values = {"client": "b", "sent": t, "answered": t + A_MOMENT, "status": status, "id": id_, "task": task} | more
    return Read(**values)


def move(t: float, name: Any, status: int | None, task: dict[str, Any] | None = None, **more: Any) -> Move:
    answered = None if status is None else t + A_MOMENT
    values = {"client": "c", "sent": t, "answered": answered, "status": status, "id": "one", "task": task} | more
    return Move(move=name, **values)


def start(t: float, attempt: int = 1, pid: int = 100, **more: Any) -> Effect:
    return effect("start", t, attempt, pid, **more)


def end(t: float, attempt: int = 1, pid: int = 100, how: Any = "returned", **more: Any) -> Effect:
    return effect("end", t, attempt, pid, how=how, **more)


def effect(what: Any, t: float, attempt: int, pid: int, **more: Any) -> Effect:
    known = {"id": "one", "process_start": 0.0, "type": "torture.echo", "queue": "default"}
    return Effect(what=what, t=t, attempt=attempt, pid=pid, **(known | more))


def sign(t: float, what: Any, pid: int = 100) -> ProcessSign:
    return ProcessSign(what=what, t=t, pid=pid, role="worker")


def fault(began: float, ended: float, link: str) -> Fault:
    return Fault(name="cut", scenario="", began=began, ended=ended, detail={"link": link})


def delivery(t: float, version: int = 3, status: int = 204, **headers: str) -> Delivery:
    body = json.dumps({"data": {"id": "one", "version": version}})
    good = signed([key_of(SECRET)], "hook", 1_700_000_000, body.encode())
    return Delivery(t=t, id="one", webhook_id="hook", headers=good | headers, body=body, status=status)


def event(version: int, kind: str, attempt: int = 0) -> dict[str, Any]:
    return {"version": version, "kind": kind, "attempt": attempt, "at": ONE, "worker": None, "detail": {}}


PENDING, RUNNING, DONE = a_task("pending", 1, 0), a_task("running", 2, 1), a_task("completed", 3, 1)
LIFE = (submit(1, PENDING), start(2), end(3))
"""Of the task "one", until it is DONE."""


def judged(
    *records: Record,
    end: Sequence[dict[str, Any]] = (),
    story: Sequence[dict[str, Any]] = (),
    settles: Sequence[Settled] = (),
    terms: Terms = TERMS,
) -> Verdict:
    """The verdict on one task, "one", beside a few of which all is well."""
    others, rows = well()
    final = Final(tasks=[*rows, *end], events={"one": list(story)} if story else {}, at=1000.0)
    return judge(history([*others, *records], terms, final, settles))


def refuted(verdict: Verdict) -> set[str]:
    """The names of what does not hold."""
    return {name for name, found in verdict.findings.items() if found}


def well() -> tuple[list[Record], list[dict[str, Any]]]:
    """One that completed, one that waits for its time, and one that nobody knows to have been accepted."""
    done = a_task(id="done")
    waits = a_task("scheduled", 1, 0, id="waits", waiting={"reason": "not_due"})
    records: list[Record] = [
        submit(0.1, a_task("pending", 1, 0, id="done"), key="k"),
        submit(0.2, None, None, key="k"),
        submit(0.3, a_task("running", 2, 1, id="done"), 200, key="k"),
        start(0.2, id="done"),
        end(0.4, id="done"),
        read(0.5, done),
        submit(0.1, waits),
    ]
    return records, [done, waits, a_task(id="unknown", type="other")]
