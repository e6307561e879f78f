"""What `duly doctor` looks at; each check says what it found and what to do."""

import platform
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy.engine import make_url

from duly import __version__
from duly.cli.table import span
from duly.domain.errors import DulyError, Misconfigured, SchemaOutdated, StoreUnavailable
from duly.ports.store import Store, StoreFacts
from duly.settings import Settings
from duly.settings_rules import check_bind, misspelt, safe_url

ALIVE_WITHIN = timedelta(seconds=30)
SKEW = timedelta(seconds=1)
LITTLE_SPACE, HARDLY_SPACE = 1024**3, 100 * 1024**2
OLDEST: Mapping[str, tuple[int, ...]] = {
    "sqlite": (3, 35),
    "postgresql": (13,),
    "mysql": (8, 0),
    "mariadb": (10, 6),
}
"""The oldest versions that have what Duly's statements use (SKIP LOCKED, RETURNING)."""


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``advice`` says what to do about it."""

    verdict: Verdict
    subject: str
    detail: str
    advice: str = ""


def about_settings(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """What can be told without a database."""
    found = [Finding(Verdict.OK, "versions", f"Duly {__version__}, Python {platform.python_version()}")]
    for name, meant in misspelt(environ).items():
        advice = f"did you mean {meant}?" if meant else "remove it"
        found.append(Finding(Verdict.WARN, "settings", f"{name} is no setting of Duly", advice))
    try:
        check_bind(settings)
    except Misconfigured as error:
        found.append(Finding(Verdict.FAIL, "address", str(error)))
    return found


def no_file(settings: Settings) -> list[Finding]:
    """Told without opening it, because opening would make it. Empty when there is nothing to tell."""
    if not settings.database_url.startswith("sqlite:") or _file(settings).exists():
        return []
    return [Finding(Verdict.FAIL, "database", f"there is no file {_file(settings)} yet", "run `duly migrate`")]


def unopened(settings: Settings, error: DulyError) -> list[Finding]:
    """Why the database could not be opened."""
    url = safe_url(settings.database_url)
    match error:
        case SchemaOutdated():
            return [
                Finding(Verdict.OK, "database", f"{url} answers"),
                Finding(
                    Verdict.FAIL, "schema", f"at {error.found or 'none'}, needed {error.needed}", "run `duly migrate`"
                ),
            ]
        case StoreUnavailable():
            advice = "is it running, and is DULY_DATABASE_URL right?"
            return [Finding(Verdict.FAIL, "database", f"{url} cannot be reached: {error}", advice)]
        case _:
            return [Finding(Verdict.FAIL, "database", f"{url}: {error}")]


async def about_store(store: Store, settings: Settings) -> AsyncIterator[Finding]:
    """What an open database says."""
    facts = await store.facts()
    yield _version(facts, settings)
    yield Finding(Verdict.OK, "schema", "up to date")
    yield await _write(store)
    yield Finding(Verdict.OK, "durability", facts.durability)
    for warning in facts.warnings:
        yield Finding(Verdict.WARN, "database", warning)
    yield _clock(store)
    if facts.kind == "sqlite":
        yield _space(_file(settings))
    async for finding in _fleet(store):
        yield finding


def _version(facts: StoreFacts, settings: Settings) -> Finding:
    detail = f"{facts.kind} {facts.version} at {safe_url(settings.database_url)}"
    oldest = OLDEST.get(facts.kind, ())
    if _numbers(facts.version) < oldest:
        needed = ".".join(map(str, oldest))
        return Finding(Verdict.FAIL, "database", detail, f"Duly needs {needed} or later")
    return Finding(Verdict.OK, "database", detail)


async def _write(store: Store) -> Finding:
    try:
        await store.check()
    except DulyError as error:
        return Finding(Verdict.FAIL, "write", str(error), "look at the database's own log, its rights and its disk")
    return Finding(Verdict.OK, "write", "a write works")


def _clock(store: Store) -> Finding:
    skew = store.clock.now() - datetime.now(UTC)
    apart = f"{span(abs(skew))} {'ahead of' if skew > timedelta() else 'behind'} this machine's"
    if abs(skew) > SKEW:
        advice = "Duly goes by the database's; set this machine's clock (NTP), for your logs and schedules"
        return Finding(Verdict.WARN, "clock", f"the database's clock is {apart}", advice)
    return Finding(Verdict.OK, "clock", f"the database's clock is {apart}")


def _space(file: Path) -> Finding:
    free = shutil.disk_usage(file.resolve().parent).free
    detail = f"{free / 1024**3:.1f} GiB free for {file}"
    if free < HARDLY_SPACE:
        return Finding(Verdict.FAIL, "disk", detail, "make room: writes are about to fail")
    if free < LITTLE_SPACE:
        return Finding(Verdict.WARN, "disk", detail, "make room, or keep tasks for less time (DULY_RETENTION_DONE)")
    return Finding(Verdict.OK, "disk", detail)


async def _fleet(store: Store) -> AsyncIterator[Finding]:
    workers = await store.roster.alive(ALIVE_WITHIN)
    if workers:
        names = ", ".join(f"{worker.host} (pid {worker.pid}, {worker.slots} slots)" for worker in workers)
        yield Finding(Verdict.OK, "workers", f"{len(workers)} alive: {names}")
    else:
        yield Finding(Verdict.WARN, "workers", "none is alive", "start one: `duly worker app:duly`")
    served = {queue for worker in workers for queue in worker.queues}
    pending = {depth.queue: depth.pending for depth in await store.queues.depths()}
    for queue in await store.queues.states():
        waiting = f"{pending.get(queue.name, 0)} pending"
        if queue.paused:
            yield Finding(Verdict.WARN, "queue", f"{queue.name} is paused, {waiting}", f"`duly resume {queue.name}`")
        elif queue.name not in served:
            advice = f"`duly worker app:duly --queues {queue.name}`"
            yield Finding(Verdict.WARN, "queue", f"{queue.name} has no worker, {waiting}", advice)
        else:
            yield Finding(Verdict.OK, "queue", f"{queue.name}: {waiting}")


def _file(settings: Settings) -> Path:
    return Path(make_url(settings.database_url).database or "")


def _numbers(version: str) -> tuple[int, ...]:
    """``10.11.6-MariaDB`` as (10, 11, 6)."""
    numbers: list[int] = []
    for part in version.split("-", maxsplit=1)[0].split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)
