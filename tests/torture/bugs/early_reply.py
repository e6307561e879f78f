"""Planted: a submit without a key is answered before it is committed."""

import asyncio

from duly.engine.submitting import Accepted, Submitting
from duly.torture.app import duly

__all__ = ["duly"]

submits, writing = Submitting.submit, set()


async def submit_soon(self, wanted, once):
    task = self.make(wanted)
    if once is not None or task.key is not None:
        return await submits(self, wanted, once)
    later = asyncio.create_task(commit(self, task))
    writing.add(later)
    later.add_done_callback(writing.discard)
    return Accepted(task, created=True)


async def commit(self, task):
    await asyncio.sleep(0.2)
    self.announce(await self._add_one(task))


Submitting.submit = submit_soon
