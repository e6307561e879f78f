"""One key, one task."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from duly.torture.finding import Finding, at_the_end, finding
from duly.torture.history import ACCEPTED, OK, History
from duly.torture.records import Json, Submit

NAME = "split keys"


def split_keys(history: History) -> Iterator[Finding]:
    """P5: every answer to an Idempotency-Key names the same task, and only one task at the end has its tag.

    A client that tags a task with its Idempotency-Key can be told of a second one that no answer has ever named.
    Of two tasks with the same key and type, the earlier had ended when the later was made.
    """
    yield from _answered_twice(history)
    yield from _made_twice(history)
    yield from _alive_twice(history)


def _answered_twice(history: History) -> Iterator[Finding]:
    first: dict[str, Submit] = {}
    for submit in sorted(history.submits, key=lambda one: one.sent):
        if submit.key is None or submit.status not in (OK, ACCEPTED) or submit.task is None:
            continue
        other = first.setdefault(submit.key, submit)
        if other.task is not None and other.task["id"] != submit.task["id"]:
            says = f"the key {submit.key} was answered with two tasks"
            yield finding(NAME, submit.task["id"], says, [other, submit])


def _made_twice(history: History) -> Iterator[Finding]:
    tagged: defaultdict[str, list[Json]] = defaultdict(list)
    for task in history.own_tasks.values():
        for tag in task.get("tags", ()):
            tagged[tag].append(task)
    tries: defaultdict[str, list[Submit]] = defaultdict(list)
    for submit in history.submits:
        if submit.key is not None and submit.key in submit.body.get("tags", ()):
            tries[submit.key].append(submit)
    for key, submits in tries.items():
        if len(tagged[key]) > 1:
            says = f"the key {key} made {len(tagged[key])} tasks"
            yield finding(NAME, tagged[key][1]["id"], says, [*submits, *map(at_the_end, tagged[key])])


def _alive_twice(history: History) -> Iterator[Finding]:
    by_key: defaultdict[tuple[str, str], list[Json]] = defaultdict(list)
    retried = {move.id for move in history.moves if move.move == "retry"}
    for task in history.own_tasks.values():
        if task.get("key") is not None and task["id"] not in retried:
            by_key[task["type"], task["key"]].append(task)
    for (type_, key), tasks in by_key.items():
        for one, other in pairwise(sorted(tasks, key=lambda task: _moment(task["created_at"]))):
            if one["finished_at"] is None or _moment(one["finished_at"]) > _moment(other["created_at"]):
                says = f"two tasks of the type {type_} were alive at once with the key {key}"
                yield finding(NAME, other["id"], says, [at_the_end(one), at_the_end(other)])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
