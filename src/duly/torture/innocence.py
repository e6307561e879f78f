"""Only a task that killed its own process is ever called poison."""

from collections.abc import Iterator

from duly.domain.state import Reason
from duly.torture.finding import Finding, at_the_end, finding
from duly.torture.history import History

NAME = "innocent poison"


def innocent_poison(history: History) -> Iterator[Finding]:
    """A task that failed as poison has written down that it was about to kill its process, once at least."""
    guilty = {effect.id for effect in history.effects if effect.how == "killing"}
    for task_id, sights in history.sights.items():
        seen = next((one for one in sights if one.reason == Reason.POISON), None)
        if seen is not None and task_id not in guilty:
            yield finding(NAME, task_id, "called poison", [*history.starts.get(task_id, []), seen.source])
    for task_id, task in history.tasks.items():
        seen_before = any(one.reason == Reason.POISON for one in history.sights.get(task_id, []))
        if task["reason"] == Reason.POISON and task_id not in guilty and not seen_before:
            yield finding(NAME, task_id, "called poison", [*history.starts.get(task_id, []), at_the_end(task)])
