"""Planted: a worker puts what it is about to commit into the cache, for those who read."""

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from duly import assembly
from duly.domain.errors import CacheUnavailable
from duly.engine.settle import Settler
from duly.torture.app import duly

__all__ = ["duly"]

opens, applies, caches = assembly.open_cache, Settler._apply, []


@asynccontextmanager
async def open_cache(settings, clock):
    async with opens(settings, clock) as cache:
        caches.append(cache)
        yield cache


async def apply(self, changes):
    with suppress(CacheUnavailable):
        await caches[-1].put([change.after for change in changes], timedelta(hours=1))
    await asyncio.sleep(0.2)
    return await applies(self, changes)


assembly.open_cache = open_cache
Settler._apply = apply
