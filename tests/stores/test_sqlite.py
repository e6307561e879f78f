"""What only SQLite can do wrong: starve a second writer, and fill the disk."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from multiprocessing import get_context

import pytest

from duly.domain.errors import Misconfigured, SchemaOutdated, StoreUnavailable
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from duly.stores.sql.sqlite_watch import watch, watched_file
from tests.support.builders import a_task

SUBMITTERS = 30
FOR_A_WHILE = 3.0
TRIES = 4


async def write_at_full_rate(url: str, together: Callable[[], object]) -> tuple[int, float]:
    """Commits one by one for a while, once all are ready; how many, and the longest time that one took."""
    store = await open_sql_store(url)
    await store.tasks.add([a_task()])
    await asyncio.to_thread(together)
    until = time.monotonic() + FOR_A_WHILE
    waits: list[float] = []

    async def add_on():
        while (began := time.monotonic()) < until:
            await store.tasks.add([a_task()])
            waits.append(time.monotonic() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(SUBMITTERS):
            group.create_task(add_on())
    await store.close()
    return len(waits), max(waits)


def write_in_a_process(url, barrier, done):
    done.put(asyncio.run(write_at_full_rate(url, barrier.wait)))


def neither_starved(*outcomes):
    """Both came to their share, and nobody waited much longer than all did in the mean (2 or 3 times as long).

    With SQLite's own busy handler alone, the longest wait is 10 to 25 times the mean, and shares are one to three.
    """
    counts, waits = zip(*outcomes, strict=True)
    mean = FOR_A_WHILE * SUBMITTERS * len(counts) / sum(counts)
    return min(counts) > max(counts) / 2 and max(waits) < 8 * mean


async def in_one_process(url):
    barrier = threading.Barrier(2)
    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(write_at_full_rate(url, barrier.wait)) for _ in range(2)]
    return [writer.result() for writer in writers]


async def in_two_processes(url):
    spawn = get_context("spawn")
    barrier, done = spawn.Barrier(2), spawn.Queue()
    writers = [spawn.Process(target=write_in_a_process, args=(url, barrier, done)) for _ in range(2)]
    for writer in writers:
        writer.start()
    outcomes = [await asyncio.to_thread(done.get, timeout=60) for _ in writers]
    for writer in writers:
        writer.join()
    return outcomes


@pytest.mark.parametrize("write", [in_one_process, in_two_processes])
async def test_two_stores_at_full_rate_do_not_starve_each_other(sqlite_url, write):
    """Starving would show each time; a machine that stands still for a moment shows once."""
    await migrate(sqlite_url)

    tries = [await write(sqlite_url)]
    while not neither_starved(*tries[-1]) and len(tries) < TRIES:
        tries.append(await write(sqlite_url))

    assert neither_starved(*tries[-1]), tries


async def test_a_full_disk_is_told_and_leaves_a_sound_file(sqlite_url, monkeypatch):
    """A page limit makes SQLite answer as a full disk does (SQLITE_FULL)."""
    await migrate(sqlite_url)
    path = sqlite_url.removeprefix("sqlite:///")
    real = sqlite3.connect

    def small(*args, **kwargs):
        connection = real(*args, **kwargs)
        connection.execute("PRAGMA max_page_count = 60")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    store = await open_sql_store(sqlite_url)
    kept = await store.tasks.add([a_task()])

    async def fill():
        for _ in range(100):
            kept.extend(await store.tasks.add([a_task(payload='"' + "x" * 10_000 + '"')]))

    with pytest.raises(StoreUnavailable, match="full"):
        await fill()

    assert len(await store.tasks.get([task.id for task in kept])) == len(kept)
    await store.close()
    with closing(real(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_writer_that_holds_the_file_too_long_makes_the_store_unavailable(sqlite_url):
    await migrate(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    store = await open_sql_store(sqlite_url, longest=timedelta(seconds=3))
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable):
        await store.tasks.add([a_task()])

    other.execute("ROLLBACK")
    other.close()
    assert len(await store.tasks.add([a_task()])) == 1
    await store.close()


async def test_a_file_without_duly_asks_for_migrate(sqlite_url):
    with pytest.raises(SchemaOutdated, match="duly migrate"):
        await open_sql_store(sqlite_url)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:////no/such/folder/duly.db", "oracle://host/x", "nonsense"]
)
async def test_an_address_that_cannot_work_is_told(url):
    with pytest.raises(Misconfigured):
        await open_sql_store(url)


@pytest.mark.parametrize("behind", ["?mode=ro", "?nolock", "?"])
async def test_what_would_be_dropped_behind_the_name_of_the_file_is_refused(sqlite_url, behind):
    """With ``a?b.db`` tasks went into the file ``a``."""
    await migrate(sqlite_url)

    with pytest.raises(Misconfigured, match="%3F"):
        await open_sql_store(sqlite_url + behind)


async def test_work_that_gathered_shares_a_commit_and_one_failure_harms_nobody(sqlite_url):
    await migrate(sqlite_url)
    store = await open_sql_store(sqlite_url)
    good = [a_task() for _ in range(20)]
    bad = a_task(max_attempts=2**70)

    outcomes = await asyncio.gather(
        *(store.tasks.add([task]) for task in [*good[:10], bad, *good[10:]]), return_exceptions=True
    )

    assert [type(outcome).__name__ for outcome in outcomes if not isinstance(outcome, list)] == ["RowInvalid"]
    assert len(await store.tasks.get([task.id for task in good])) == 20
    await store.close()


async def test_a_sqlite_that_is_too_old_is_refused_at_once(sqlite_url, monkeypatch):
    """It took tasks and claimed them, and no end of any of them could be written."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 26, 0))

    with pytest.raises(Misconfigured, match=r"needs SQLite 3\.35"):
        await migrate(sqlite_url)


async def test_nothing_is_written_into_a_file_that_is_not_there_any_more(sqlite_url):
    """What was accepted went into a file without a name, and was lost with the process."""
    await migrate(sqlite_url)
    store = await open_sql_store(sqlite_url)
    file = watched_file(sqlite_url)
    await store.tasks.add([a_task()])
    kept = file.rename(file.with_name("kept.db"))

    with pytest.raises(StoreUnavailable):
        await store.tasks.add([a_task()])
    with pytest.raises(StoreUnavailable):
        await store.tasks.add([a_task()])
    with pytest.raises(StoreUnavailable):
        await store.queues.states()
    assert not file.exists()
    kept.rename(file)
    await store.tasks.add([a_task()])
    await store.close()


async def test_a_file_that_was_put_in_the_place_of_another_is_the_one_that_counts(sqlite_url):
    """A worker that was started later served the new one, and never saw what the others went on to accept."""
    await migrate(sqlite_url)
    store = await open_sql_store(sqlite_url)
    await store.tasks.add([a_task()])
    file = watched_file(sqlite_url)
    for of in ("", "-wal", "-shm"):
        os.rename(f"{file}{of}", f"{file}.old{of}")  # noqa: PTH104
    await migrate(sqlite_url)

    with pytest.raises(StoreUnavailable):
        await store.tasks.add([a_task()])
    await store.tasks.add([task := a_task()])
    other = await open_sql_store(sqlite_url)

    assert await other.tasks.get([task.id])
    await other.close()
    await store.close()


async def test_a_file_is_watched_whatever_its_name(tmp_path):
    """What SQLite reads as an address went by another name there: the bell between processes ended."""
    file = tmp_path / "a#b%20c.db"
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("CREATE TABLE notes (text)")
        rang = asyncio.Event()
        watching = asyncio.create_task(watch(file, rang.set))
        await asyncio.sleep(0.1)
        writer.execute("CREATE TABLE others (text)")

        async with asyncio.timeout(10):
            await rang.wait()
        watching.cancel()
