"""How a process of a service begins: settings, log, app, store."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

from duly.app import Duly
from duly.assembly import Core, open_core
from duly.assembly_worker import served
from duly.cli.load import find
from duly.domain.errors import StoreUnavailable
from duly.engine.background import follow, in_background, unless
from duly.ports.telemetry import Emit
from duly.settings import Settings, load_settings
from duly.telemetry.lines import log_lines
from duly.telemetry.log import set_up
from duly.telemetry.tracing import trace_processors

PAUSES = (0.5, 1, 2, 3, 5, 5, 5, 5)
"""Seconds between the tries to reach a database that is away when the process starts."""


def begin(overrides: Mapping[str, object]) -> tuple[Settings, Emit]:
    """Read the settings and set up the log. Raises Misconfigured."""
    settings = load_settings(overrides)
    set_up(settings.log_format, settings.log_level, sys.stderr, trace_processors())
    return settings, log_lines()


def begin_app(reference: str, folder: Path, overrides: Mapping[str, object]) -> tuple[Duly, Settings, Emit]:
    """The same with the app, whose own settings count unless the command line says otherwise. Raises Misconfigured.

    Without a word about queues, a worker serves all that the app's handlers name.
    """
    begin(overrides)
    duly = find(reference, folder, Duly)
    own = {} if duly.settings is None else duly.settings.model_dump(exclude_unset=True)
    given = {name: value for name, value in overrides.items() if value is not None}
    settings, emit = begin(own | given)  # again: the app may have brought settings, and set up traces
    return duly, settings.model_copy(update={"queues": served(settings, duly.handlers)}), emit


@asynccontextmanager
async def opened(duly: Duly, settings: Settings, stop: asyncio.Event, emit: Emit) -> AsyncIterator[Core | None]:
    """Open it, waiting a while for a database that is away. None: asked to stop before it was there.

    When what runs behind it fails, ``stop`` is set, and that is raised at the end: a process that can do nothing more
    is to be replaced. Raises StoreUnavailable in the end, SchemaOutdated at once.
    """
    async with AsyncExitStack() as stack:
        core = await _open(stack, duly, settings, stop, emit)
        if core is not None:
            stack.enter_context(duly.on(core))
            await stack.enter_async_context(in_background(emit, follow(core.service.failed, stop)))
        yield core


async def _open(stack: AsyncExitStack, duly: Duly, settings: Settings, stop: asyncio.Event, emit: Emit) -> Core | None:
    for pause in PAUSES:
        try:
            opening = stack.enter_async_context(open_core(settings, duly.handlers, emit=emit))
            return await unless(stop, opening, emit)
        except StoreUnavailable as error:
            emit("store.unavailable", {"error": str(error), "again_in": timedelta(seconds=pause)})
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stop.wait()
        if stop.is_set():
            return None
    return await stack.enter_async_context(open_core(settings, duly.handlers, emit=emit))
