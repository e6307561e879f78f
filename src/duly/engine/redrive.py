"""Many tasks run again by hand: dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from duly.domain.errors import KeyTaken
from duly.domain.fact import RetriedByHand
from duly.domain.query import TaskQuery
from duly.domain.task import Task, TaskId
from duly.domain.transition import Change, decide
from duly.engine.parts import Parts
from duly.ports.store import MAX_BATCH

MOST_PAGES = 10
"""So many pages are looked at for one redrive at most, however few of their tasks fit."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What was done: how many were retried, how many stay because a live task holds their key, where to go on."""

    retried: int
    skipped: int
    next: TaskId | None


async def redrive(parts: Parts, query: TaskQuery) -> Redriven:
    """Retry up to ``query.limit`` of the final tasks that fit, newest first, in batches of one transaction each.

    Each is retried for the very failure that was seen: one that has changed since, because somebody else retried it,
    is left alone and not counted. After StoreUnavailable some may have been retried; repeated, it does the rest.
    """
    retried, skipped, before = 0, 0, query.before
    for _ in range(MOST_PAGES):
        wanted = min(MAX_BATCH, query.limit - retried - skipped)
        page = await parts.store.tasks.page(replace(query, before=before, limit=wanted))
        done = await _retry(parts, page.tasks)
        retried, skipped, before = retried + done.retried, skipped + done.skipped, page.next
        if before is None or retried + skipped >= query.limit:
            break
    return Redriven(retried, skipped, before)


async def _retry(parts: Parts, tasks: Sequence[Task]) -> Redriven:
    now = parts.store.clock.now()
    decided = (decide(task, RetriedByHand(), now) for task in tasks)
    changes = [change for change in decided if change is not None]
    async with parts.reads.leaving(*(task.id for task in tasks)):
        try:
            return await _apply(parts, changes)
        except KeyTaken:  # nothing was written: one by one, so that one key holds up no other task
            return await _apply_each(parts, changes)


async def _apply(parts: Parts, changes: Sequence[Change]) -> Redriven:
    lost = {change.before.id for change in await parts.store.tasks.apply(changes)} if changes else set()
    won = [change.after for change in changes if change.before.id not in lost]
    parts.herald.changed(*won)
    return Redriven(len(won), 0, None)


async def _apply_each(parts: Parts, changes: Sequence[Change]) -> Redriven:
    retried = skipped = 0
    for change in changes:
        try:
            retried += (await _apply(parts, [change])).retried
        except KeyTaken:
            skipped += 1
    return Redriven(retried, skipped, None)
