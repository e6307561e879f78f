"""A fault that was found: what is wrong, and the shortest history that shows it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from duly.torture.records import Delivery, Effect, Fault, Json, Move, ProcessSign, Rate, Read, Record, Submit

END = float("inf")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a history. ``t`` is when it became certain: an answer counts from when it was there."""

    t: float
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``name`` is the property that does not hold."""

    name: str
    task_id: str | None
    says: str
    history: tuple[Line, ...]


def finding(name: str, task_id: str | None, says: str, evidence: Iterable[Record | Line]) -> Finding:
    """The records become lines, in the order of time."""
    lines = (one if isinstance(one, Line) else line(one) for one in evidence)
    return Finding(name, task_id, says, tuple(sorted(lines, key=lambda one: one.t)))


def at_the_end(task: Json) -> Line:
    """The task's row in the final table."""
    return Line(END, f"at the end: {shown(task)}")


def line(record: Record) -> Line:
    """The record in words."""
    match record:
        case Submit() | Read() | Move():
            return Line(record.answered or record.sent, _asked(record))
        case Effect():
            how = f": {record.how}" if record.how else ""
            return Line(record.t, f"handler  {record.what} of attempt {record.attempt} in process {record.pid}{how}")
        case ProcessSign():
            return Line(record.t, f"driver   {record.role} process {record.pid} {record.what}")
        case Fault():
            return Line(record.began, f"driver   fault {record.name} ({record.scenario})")
        case Rate():
            return Line(record.t, f"driver   {record.done} done")
        case Delivery():
            return Line(record.t, f"receiver callback {record.webhook_id}, answered {record.status}")
        case _:
            assert_never(record)


def shown(task: Json | None) -> str:
    """State, version and attempt of a task."""
    if task is None:
        return "no task"
    reason = f" ({task['reason']})" if task.get("reason") else ""
    return f"{task['state']}{reason}, version {task['version']}, attempt {task['attempt']}"


def _asked(record: Submit | Read | Move) -> str:
    match record:
        case Submit():
            asked = f"submit {record.body.get('type', '')}" + (f" with key {record.key}" if record.key else "")
        case Read():
            asked = f"read ({record.via})" + (f" if not {record.since}" if record.since else "")
        case Move():
            asked = record.move
    answer = "no answer" if record.status is None else str(record.status)
    told = f": {shown(record.task)}" if record.task is not None else ""
    return f"client {record.client}, sent {record.sent:.3f}: {asked} -> {answer}{told}"
