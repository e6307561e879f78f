"""The folder in which processes under one parent add up their metrics."""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from shutil import rmtree

from duly.domain.families import FAMILIES
from duly.domain.figures import Figures, Sets, merged
from duly.ports.telemetry import Emit
from duly.settings import PREFIX, Settings
from duly.telemetry.spool import Spool

PLACES = (Path("/dev/shm"), Path(tempfile.gettempdir()))  # noqa: S108  # nosec B108
"""Memory, where there is some; in either, a folder of our own with a name made by chance."""
VARIABLE = f"{PREFIX}METRICS_DIR"
PREFIX_OF_FOLDERS = "duly-metrics-"
FORGOTTEN = timedelta(minutes=10)

Scraped = Callable[[], Awaitable[Figures]]
"""Gives the figures of a scrape."""


@contextmanager
def common_folder(settings: Settings, emit: Emit) -> Iterator[Path | None]:
    """While this is open, child processes add up their metrics in this folder. None: nobody wants metrics, or can.

    One that the settings name stays; else one is made, told to the children by the environment, and deleted.
    """
    if settings.metrics == "off" or settings.metrics_dir:
        yield Path(settings.metrics_dir) if settings.metrics_dir else None
        return
    folder = _made(emit)
    if folder is not None:
        os.environ[VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        if folder is not None:
            del os.environ[VARIABLE]
            rmtree(folder, ignore_errors=True)


def all_in(folder: Path) -> Scraped:
    """The figures of all processes that use this folder, read by one that does not."""
    spool, sets = Spool(folder), Sets()

    async def scraped() -> Figures:
        return merged(await asyncio.to_thread(spool.others), FAMILIES, sets)

    return scraped


def offered(settings: Settings, scraped: Scraped) -> Scraped | None:
    """What a worker's health port offers: it cannot ask who comes, so nothing where the settings want that."""
    return scraped if settings.metrics in ("auto", "public") else None


def delete_forgotten(place: Path) -> None:
    """Delete folders of ours here whose parent was killed: a living process writes to its own every second."""
    for folder in place.glob(f"{PREFIX_OF_FOLDERS}*"):
        with suppress(OSError):  # somebody else's, or somebody else is deleting it
            newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if time.time() - newest > FORGOTTEN.total_seconds():
                rmtree(folder, ignore_errors=True)


def _made(emit: Emit) -> Path | None:
    failure = ""
    for place in PLACES:
        delete_forgotten(place)
        try:
            return Path(tempfile.mkdtemp(prefix=PREFIX_OF_FOLDERS, dir=place))
        except OSError as error:
            failure = str(error)
    emit("metrics.apart", {"error": failure})
    return None
