"""Planted: the sweeper takes tasks from their workers without looking whether they are as it saw them, a moment ago."""

import asyncio

from duly.engine.sweep import Sweeper
from duly.stores.sql import applying
from duly.torture.app import duly

__all__ = ["duly"]

holds, sweeps = applying._holds, Sweeper._apply


async def apply_late(self, tasks, fact_for):
    if tasks:
        await asyncio.sleep(0.7)
    return await sweeps(self, tasks, fact_for)


applying._holds = lambda change, found: found is not None if change.judges_lease else holds(change, found)
Sweeper._apply = apply_late
