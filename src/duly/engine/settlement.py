"""What is told of an attempt's end."""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property

from duly.domain.task import Task


class Settlement(Mapping[str, object]):
    """The facts of ``task.settled``, made when somebody reads them: a log that is quiet need not pay for them."""

    def __init__(self, task: Task, settled: Task, run: float) -> None:
        """The task as it was claimed and as it was left, so many seconds later."""
        self._task = task
        self._settled = settled
        self._run = run

    def __getitem__(self, name: str) -> object:
        """Two of them decide about the level of a line, and are had without the rest."""
        match name:
            case "outcome":
                return self._settled.state
            case "reason":
                return self._settled.reason
            case _:
                return self._facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    @cached_property
    def _facts(self) -> dict[str, object]:
        task, settled = self._task, self._settled
        wait = ((task.started_at or task.run_at) - task.run_at).total_seconds()
        facts = facts_of(task)
        facts["outcome"] = settled.state.value
        facts["reason"] = None if settled.reason is None else settled.reason.value
        facts["wait_ms"] = round(max(wait, 0.0) * 1000, 1)
        facts["run_ms"] = round(self._run * 1000, 1)
        if settled.error is not None:
            facts |= _error_of(settled.error, task.attempt)
        return facts


def facts_of(task: Task) -> dict[str, object]:
    """Which attempt of which task it is."""
    return {
        "task": task.id_text,
        "type": task.type,
        "queue": task.queue,
        "attempt": task.attempt,
        "worker": task.worker,
    }


def _error_of(stored: str, attempt: int) -> dict[str, object]:
    """The class of what this attempt failed by; its text is no fact for a log."""
    error = json.loads(stored)
    return {"error_type": error["type"]} if error["attempt"] == attempt else {}
