"""The end of a run: wait until all is final, and read everything as it is then."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import httpx

from duly.domain.state import FINAL
from duly.torture.house import NotReady
from duly.torture.records import Final, Json

LOOK = 0.5
TOGETHER = 8
TIMEOUT = 20.0
AGAIN = 120
"""How often a read that fails is repeated: the faults are over, what is wrong now stays wrong."""


async def all_final(url: str, patience: timedelta) -> bool:
    """Whether no task waits or runs any more, as soon as it is so; False when patience is at its end."""
    deadline = time.monotonic() + patience.total_seconds()
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT) as http:
        while time.monotonic() < deadline:
            if await _none_live(http) and await _each_is_final(http):
                return True
            await asyncio.sleep(LOOK)
    return False


async def final_of(url: str, logs: Sequence[str]) -> Final:
    """All tasks, and the stories of those that were not just done."""
    at = time.monotonic()
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT) as http:
        tasks = await _all_tasks(http)
        told = [str(task["id"]) for task in tasks if task["attempt"] != 1 or task["state"] != "completed"]
        return Final(tasks=tasks, events=await _stories(http, told), logs=list(logs), at=at)


async def _none_live(http: httpx.AsyncClient) -> bool:
    """By three lists: the counters of the queues are some seconds old."""
    for state in ("scheduled", "pending", "running"):
        page = await _page(http, f"/v1/tasks?limit=1&view=basic&state={state}")
        if page is None or page["tasks"] or page["next"]:
            return False
    return True


async def _each_is_final(http: httpx.AsyncClient) -> bool:
    """One that was taken from its worker between two of the lists was in none of them."""
    return all(task["state"] in FINAL for task in await _all_tasks(http))


async def _all_tasks(http: httpx.AsyncClient) -> list[Json]:
    tasks: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await _sure(http, f"/v1/tasks?limit=200{f'&cursor={cursor}' if cursor else ''}")
        tasks += page["tasks"]
        cursor = page["next"]
    return tasks


async def _stories(http: httpx.AsyncClient, ids: Sequence[str]) -> dict[str, list[Json]]:
    stories: dict[str, list[Json]] = {}
    left = iter(ids)

    async def read() -> None:
        for id_ in left:
            stories[id_] = (await _sure(http, f"/v1/tasks/{id_}/events"))["events"]

    async with asyncio.TaskGroup() as group:
        for _ in range(TOGETHER):
            group.create_task(read())
    return stories


async def _sure(http: httpx.AsyncClient, path: str) -> Json:
    """Raises NotReady when it cannot be had."""
    for _ in range(AGAIN):
        page = await _page(http, path)
        if page is not None:
            return page
        await asyncio.sleep(LOOK)
    raise NotReady(f"{path} cannot be read although the faults are over: the service has not healed.")


async def _page(http: httpx.AsyncClient, path: str) -> Json | None:
    try:
        answer = await http.get(path)
    except httpx.HTTPError:
        return None
    told: Json | None = answer.json() if answer.status_code == httpx.codes.OK else None
    return told
