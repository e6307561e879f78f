"""One torture, from the first process to the verdict's records."""

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Protocol

from duly.domain.errors import Misconfigured
from duly.stores.sql.migrate import migrate
from duly.torture import faults_links, faults_pressure, faults_processes, faults_stores
from duly.torture.app import FOLDER
from duly.torture.disk import a_small_disk
from duly.torture.ending import all_final, final_of
from duly.torture.house import a_house
from duly.torture.links import CELERY, Link, linked
from duly.torture.load import Load
from duly.torture.plan import GRACE, LEASE, RENEWALS, Plan
from duly.torture.rates import PATIENT, WINDOW, Past, Rates
from duly.torture.receiver import Receiver, receiving
from duly.torture.records import CALLBACKS, FAULTS, PROCESSES, Json, Pen, Terms, write_final, write_terms
from duly.torture.records import Fault as FaultRecord
from duly.torture.stage import Barred, Fault, Stage

WARM = 4.0
QUIET = 10.0
"""Seconds before the rate is taken, and of quiet before the first fault and after the last (short run: an eighth)."""

NAMES = (
    *("kill", "stop", "rolling", "cut", "delay", "half-open", "throttle", "restart", "crash", "backends", "flush"),
    *("pool", "idle_in_tx", "fill", "skew", "burst", "readers", "load"),
)


class Show(Protocol):
    """Who is told how the run goes."""

    def line(self, text: str) -> None:
        """Something happened."""

    def now(self, text: str) -> None:
        """How it stands now."""


@dataclass
class Course:
    """What a run came to, besides its records."""

    barred: dict[str, str] = field(default_factory=dict[str, str])
    past: list[Past] = field(default_factory=list[Past])
    before: float = 0.0
    after: float = 0.0
    """Tasks a second before the first fault, and after the last."""
    slowest_end: float = 0.0
    stuck: int = 0
    all_final: bool = False
    seconds: float = 0.0
    rates: Rates | None = None


async def torture(plan: Plan, show: Show) -> Course:
    """Everything but the verdict, which is the checker's. Raises Misconfigured, NotReady."""
    unknown = set(plan.faults) - set(NAMES)
    if unknown:
        raise Misconfigured(f"There is no fault {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}.")
    course, began = Course(), time.monotonic()
    terms = _terms(plan)
    async with _on_stage(plan, terms, show) as (stage, rates, faults):
        course.rates = rates
        chosen = list(_chosen(plan, stage, course.barred))
        for name, why in course.barred.items():
            show.line(f"not here: {name}: {why}")
        start = time.monotonic()
        await _driven(stage, course, chosen, (faults, show), rates)
        await _ended(stage, course, show)
        write_terms(plan.folder, _terms(plan, terms.callback_secrets, (start, time.monotonic())))
        house = stage.house
    course.slowest_end, course.stuck = house.slowest_end, house.stuck
    course.seconds = time.monotonic() - began
    return course


@asynccontextmanager
async def _on_stage(plan: Plan, terms: Terms, show: Show) -> AsyncIterator[tuple[Stage, Rates, Pen]]:
    folder, random = plan.folder, Random(plan.seed)  # noqa: S311  # chance that can be repeated
    write_terms(folder, terms)
    async with AsyncExitStack() as stack:
        pens = {name: stack.enter_context(Pen(folder / name)) for name in (PROCESSES, FAULTS, CALLBACKS)}
        show.now("starting servers")
        disk = stack.enter_context(a_small_disk(folder)) if plan.store == "sqlite" else None
        links = await stack.enter_async_context(linked(plan))
        urls = _urls(plan, links, disk or folder)
        store_url = urls["DULY_DATABASE_URL"]
        await _made_ready(store_url)
        told_at = await stack.enter_async_context(receiving(Receiver(pens[CALLBACKS], Random(plan.seed))))  # noqa: S311
        show.now("starting the service")
        env, app = _env(plan, urls, terms), (plan.app, plan.app_dir)
        house = a_house(folder, app, env, pens[PROCESSES], celery=_is_celery(plan))
        await stack.enter_async_context(house.open())
        load = await stack.enter_async_context(Load(plan, house, told_at).open(folder))
        rates = Rates(folder, pens[FAULTS])
        stage = Stage(
            plan=plan, folder=folder, house=house, links=links, load=load, random=random, store_url=store_url, disk=disk
        )
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(rates.watch())
            yield stage, rates, pens[FAULTS]
            watching.cancel()


async def _made_ready(store_url: str) -> None:
    """Raises StoreInUse when somebody's tasks are there."""
    await migrate(store_url)
    await faults_stores.refuse_used(store_url)


def _chosen(plan: Plan, stage: Stage, barred: dict[str, str]) -> Iterator[Fault]:
    """Those that are wanted and possible."""
    for kind in (faults_processes, faults_links, faults_stores, faults_pressure):
        for fault in kind.faults(stage):
            if plan.faults and fault.name not in plan.faults:
                continue
            if isinstance(fault, Barred):
                barred[fault.name] = fault.why
            else:
                yield fault


async def _driven(stage: Stage, course: Course, chosen: list[Fault], told: tuple[Pen, Show], rates: Rates) -> None:
    """Quiet; each fault in an order that the seed decides, and again in another while there is time; quiet."""
    quiet = min(QUIET, stage.plan.minutes * 60 / 8)
    end = time.monotonic() + stage.plan.minutes * 60 - quiet
    await _quietly(stage, told[1], rates, WARM)
    course.before = await _quietly(stage, told[1], rates, quiet)
    left: list[Fault] = []
    while chosen and time.monotonic() < end:
        left = left or stage.random.sample(chosen, len(chosen))
        fault = left.pop()
        told[1].line(f"{fault.name}: {fault.scenario}")
        past = await _inflicted(fault, told[0])
        told[1].line(f"{fault.name}: over, {past.detail}")
        rates.look()
        course.past.append(await _healed(stage, course.before, past, (told[1], rates)))
    course.after = await _quietly(stage, told[1], rates, quiet)


async def _inflicted(fault: Fault, pen: Pen) -> Past:
    began = time.monotonic()
    pen.write(FaultRecord(name=fault.name, scenario=fault.scenario, began=began, ended=None))
    detail = await fault.inflict()
    ended = time.monotonic()
    pen.write(FaultRecord(name=fault.name, scenario=fault.scenario, began=began, ended=ended, detail=detail))
    return Past(fault.name, fault.scenario, began, ended, detail)


async def _healed(stage: Stage, before: float, past: Past, told: tuple[Show, Rates]) -> Past:
    """Quiet until the rate is that of before again, or that has taken too long."""
    show, rates = told
    await _quietly(stage, show, rates, WINDOW)
    while (back := rates.back(past.ended, before)) is None and time.monotonic() < past.ended + PATIENT:
        await _quietly(stage, show, rates, 1)
    told_of = f"not back within {PATIENT:.0f} s" if back is None else f"back after {back:.1f} s"
    show.line(f"{past.name}: the rate was {told_of}")
    return replace(past, back=back)


async def _quietly(stage: Stage, show: Show, rates: Rates, seconds: float) -> float:
    """The rate of this time."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        await asyncio.sleep(1)
        show.now(f"accepted {stage.load.accepted}, done {rates.done}")
    rates.look()
    return rates.between(began, time.monotonic())


async def _ended(stage: Stage, course: Course, show: Show) -> None:
    """No more load; wait until all is final, and read it."""
    show.now("waiting until every task is final")
    await stage.load.end()
    await stage.house.ready()
    course.all_final = await all_final(stage.house.urls[0], stage.plan.patience)
    show.now("reading the end")
    write_final(stage.folder, await final_of(stage.house.urls[0], stage.house.logs))


def _urls(plan: Plan, links: Sequence[Link], folder: Path) -> dict[str, str]:
    """The settings that name servers, by way of the proxies."""
    by_part = {part: link for link in links for part in link.parts}
    urls: dict[str, str] = {}
    for part, name in (("broker", "DULY_BROKER_URL"), ("cache", "DULY_CACHE_URL")):
        if part in by_part:
            urls[name] = by_part[part].by_wire
    broker = by_part.get("broker")
    if broker is not None and _is_celery(plan):
        urls["DULY_BROKER_URL"] = CELERY + broker.by_wire
    elif broker is not None and broker.kind == "redis":
        urls["DULY_BELL_URL"] = broker.by_wire
    if plan.cache.startswith("memory"):
        urls["DULY_CACHE_URL"] = "memory://"
    own = f"sqlite:///{folder / 'duly.db'}" if plan.store == "sqlite" else plan.store
    return {**urls, "DULY_DATABASE_URL": by_part["store"].by_wire if "store" in by_part else own}


def _env(plan: Plan, urls: Mapping[str, str], terms: Terms) -> dict[str, str]:
    """Of every process of the service; none of the caller's own settings gets in."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("DULY_")}
    return {
        **others,
        **urls,
        FOLDER: str(plan.folder.absolute()),
        "PYTHONWARNINGS": "ignore",
        "DULY_LEASE": f"{LEASE.total_seconds()}s",
        "DULY_GRACE": f"{GRACE.total_seconds()}s",
        "DULY_DATABASE_TIMEOUT": "8s",
        "DULY_DEFAULT_TIMEOUT": "60s",
        "DULY_LOG_FORMAT": "json",
        "DULY_METRICS": "off",
        "DULY_CALLBACK_SECRETS": ",".join(terms.callback_secrets),
        "DULY_CALLBACK_NETWORKS": "127.0.0.0/8",
    }


def _terms(plan: Plan, secrets: Sequence[str] = (), times: tuple[float | None, float | None] = (None, None)) -> Terms:
    """What the processes are told."""
    lease = LEASE.total_seconds()
    return Terms(
        lease=lease,
        renewal=lease / RENEWALS,
        grace=GRACE.total_seconds(),
        callback_secrets=list(secrets) or [f"whsec_{base64.b64encode(os.urandom(32)).decode()}"],
        store=plan.store,
        broker=plan.broker,
        seed=plan.seed,
        began=times[0],
        ended=times[1],
    )


def _is_celery(plan: Plan) -> bool:
    return plan.broker == "celery" or plan.broker.startswith(CELERY)


def counts(course: Course) -> Json:
    """How often each scenario was inflicted."""
    seen: Json = {}
    for past in course.past:
        seen[past.scenario] = seen.get(past.scenario, 0) + 1
    return seen
