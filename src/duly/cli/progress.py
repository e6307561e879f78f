"""Bars on standard error: how far a task, or many, have come."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from duly.cli.table import shown
from duly.client import Client
from duly.domain.state import FINAL, State
from duly.wire.task import Task


def bar() -> Progress:
    """A bar that moves on a terminal; elsewhere its last state is one line."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
    )


def watch(client: Client, task_id: str) -> Task:
    """Show the task's progress until it is final, and return it."""
    task = client.get(task_id)
    with bar() as bars:
        line = bars.add_task(task.state, total=None, note="")
        for task in client.stream(task_id):
            fraction, note = _told(task)
            total = None if fraction is None else 1.0
            bars.update(line, description=task.state, total=total, completed=fraction or 0.0, note=note)
    return task


def _told(task: Task) -> tuple[float | None, str]:
    """How much is done, None where nobody knows; and a note, without what could move the cursor."""
    if task.state in FINAL:
        return (1.0 if task.state is State.COMPLETED else 0.0), ""
    if task.progress is None:
        return None, ""
    return task.progress.fraction, shown(task.progress.note) if task.progress.note else ""
