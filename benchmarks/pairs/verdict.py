"""What must be true of a pair in the end, by Duly's own word and by what was recorded outside of it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from benchmarks.job.verdict import FINAL_KINDS, recorded, settled_twice_by_the_logs, story_of, tasks_of
from benchmarks.pairs.mix import REASONS, Item

CLOCKS_APART = timedelta(milliseconds=100)
"""So much may two processes differ in what they take for the database's time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The counts of the whole, and every promise that was broken, in words."""

    states: Mapping[str, int]
    crashes: int
    refused: int
    broken: tuple[str, ...]


def judge(http: httpx.Client, submitted: Mapping[str, Item], logs: Sequence[Path], record: Path) -> Verdict:
    """Look at every task that was accepted."""
    found = {task["id"]: task for task in tasks_of(http)}
    stories = {id_: story_of(http, id_) for id_, task in found.items() if _is_unusual(task)}
    kinds = sum(stories.values(), Counter())
    broken = [
        *(f"{id_} was accepted and is not there" for id_ in submitted.keys() - found.keys()),
        *(f"{id_} is there and was not accepted" for id_ in found.keys() - submitted.keys()),
        *(flaw for id_ in submitted.keys() & found.keys() for flaw in _flaws(submitted[id_], found[id_])),
        *_settled_twice(found, stories),
        *settled_twice_by_the_logs(list(logs)),
        *_misrecorded(Counter(recorded(record)), found),
    ]
    states = Counter(task["state"] for task in found.values())
    return Verdict(states, _expired(logs), kinds["write_refused"], tuple(broken))


def _expired(logs: Sequence[Path]) -> int:
    """How many claims were lost with their workers, also those of tasks that were to be cancelled anyhow."""
    return sum(log.read_text(errors="replace").count('"lease.expired"') for log in logs)


def _is_unusual(task: Mapping[str, Any]) -> bool:
    """An ordinary task is submitted, claimed and settled: three versions, and nothing more to ask."""
    return bool(task["attempt"] != 1 or task["version"] != 3)


def _flaws(item: Item, task: Mapping[str, Any]) -> Iterator[str]:
    name = f"{task['id']} ({task['type']})"
    state, delay = task["state"], timedelta(seconds=item.delay)
    if state not in item.ends or task["reason"] != REASONS[state]:
        yield f"{name} is {state}/{task['reason']}, not one of {item.ends}"
        return
    if state == "completed" and task["result"] != item.result:
        yield f"{name} has a wrong result"
    if state != "cancelled" and task["failures"] != item.failures:
        yield f"{name} has failed {task['failures']} times, not {item.failures}"
    if task["started_at"] and _moment(task["started_at"]) - _moment(task["created_at"]) < delay - CLOCKS_APART:
        yield f"{name} started before its time"


def _settled_twice(found: Mapping[str, Any], stories: Mapping[str, "Counter[str]"]) -> Iterator[str]:
    for id_, story in stories.items():
        ends = sum(story[kind] for kind in FINAL_KINDS)
        if ends != 1 or story["claimed"] != found[id_]["attempt"]:
            yield f"{id_} ended {ends} times in {found[id_]['attempt']} attempts: {dict(story)}"


def _misrecorded(lines: "Counter[str]", found: Mapping[str, Any]) -> Iterator[str]:
    """A handler runs at most once for each claim; what was never claimed has not run, what completed has to its end."""
    yield from (f"{line!r} was recorded {times} times" for line, times in lines.items() if times > 1)
    for id_, task in found.items():
        if task["attempt"] == 0 and f"start {id_} 1" in lines:
            yield f"{id_} ran without a claim"
        if task["state"] == "completed" and f"end {id_} {task['attempt']}" not in lines:
            yield f"{id_} completed without having run"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
