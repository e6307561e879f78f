"""What must be true in the end, by Duly's own word and by what was recorded outside of it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from benchmarks.job.mix import Item

FINAL_KINDS = ("completed", "failed", "cancelled", "expired")
FINAL_STATES = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The counts of the whole, and every promise that was broken, in words."""

    crashes: int
    refused: int
    rerun: int
    broken: tuple[str, ...]


def judge(http: httpx.Client, submitted: Mapping[str, Item], logs: list[Path], record: Path) -> Verdict:
    """Look at every task that was accepted."""
    found = {task["id"]: task for task in tasks_of(http)}
    stories = {id_: story_of(http, id_) for id_, task in found.items() if task["attempt"] > 1}
    kinds = sum(stories.values(), Counter())
    broken = [
        *_lost(submitted, found),
        *_wrong(submitted, found),
        *_settled_twice(found, stories),
        *settled_twice_by_the_logs(logs),
        *_misrecorded(record, submitted, found),
    ]
    return Verdict(kinds["lease_lost"], kinds["write_refused"], len(stories), tuple(broken))


def _lost(submitted: Mapping[str, Item], found: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{id_} was accepted and is not there" for id_ in submitted.keys() - found.keys())
    yield from (f"{id_} is there and was not accepted" for id_ in found.keys() - submitted.keys())


def _wrong(submitted: Mapping[str, Item], found: Mapping[str, Any]) -> Iterator[str]:
    for id_ in submitted.keys() & found.keys():
        item, task = submitted[id_], found[id_]
        if (task["state"], task["reason"]) != (item.state, item.reason):
            yield f"{id_} ({item.type}) is {task['state']}/{task['reason']}, not {item.state}/{item.reason}"
        elif task["state"] == "completed" and not item.fits(task["result"]):
            yield f"{id_} ({item.type}) has a wrong result"


def _settled_twice(found: Mapping[str, Any], stories: Mapping[str, "Counter[str]"]) -> Iterator[str]:
    for id_, task in found.items():
        if id_ in stories:
            ends = sum(stories[id_][kind] for kind in FINAL_KINDS)
            if ends != 1 or stories[id_]["claimed"] != task["attempt"]:
                yield f"{id_} ended {ends} times in {task['attempt']} attempts: {dict(stories[id_])}"
        elif task["version"] != 3:
            yield f"{id_} was submitted, claimed and settled in {task['version']} versions"


def settled_twice_by_the_logs(logs: list[Path]) -> Iterator[str]:
    """Each worker logs a settle after its commit: no two may have ended the same task."""
    ends: Counter[str] = Counter()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            if '"task.settled"' in line and (event := _parsed(line)) and event.get("outcome") in FINAL_STATES:
                ends[event["task"]] += 1
    yield from (f"{id_} was settled for good {times} times by the logs" for id_, times in ends.items() if times > 1)


def recorded(record: Path) -> Iterator[str]:
    """Each word with its task and attempt, whichever process wrote it."""
    if record.exists():
        yield from (line.rpartition(" ")[0] for line in record.read_text().splitlines())


def _misrecorded(record: Path, submitted: Mapping[str, Item], found: Mapping[str, Any]) -> Iterator[str]:
    """A handler runs at most once for each claim, and what completed has run to its end."""
    lines = Counter(recorded(record))
    for line, times in lines.items():
        if times > 1:
            yield f"{line!r} was recorded {times} times"
    ended = {line.split(" ")[1] for line in lines if line.startswith("end ")}
    for id_, item in submitted.items():
        if item.type == "job.record" and found.get(id_, {}).get("state") == "completed" and id_ not in ended:
            yield f"{id_} completed without having run"


def tasks_of(http: httpx.Client) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        parameters = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        page = http.get("/v1/tasks", params=parameters).raise_for_status().json()
        yield from page["tasks"]
        cursor = page["next"]


def story_of(http: httpx.Client, id_: str) -> "Counter[str]":
    events = http.get(f"/v1/tasks/{id_}/events").raise_for_status().json()["events"]
    return Counter(event["kind"] for event in events)


def _parsed(line: str) -> dict[str, Any] | None:
    """None for the last line of a process that was killed while it wrote."""
    try:
        parsed: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return parsed
