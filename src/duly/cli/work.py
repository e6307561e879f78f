"""``duly worker``: claims and runs tasks, in one process or several."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from duly.app import Duly
from duly.assembly_worker import work
from duly.cli.begin import begin_app, opened
from duly.cli.child import Part, duly_part
from duly.cli.exits import OK, RECYCLE
from duly.cli.health import Health, serve_health
from duly.cli.life import under_parent
from duly.cli.loop import run_loop
from duly.cli.metrics import all_in, common_folder, offered
from duly.cli.options import App, AppDir, ParentFd, Processes
from duly.cli.signals import on_signals, stop_on_signals
from duly.cli.supervise import Supervisor
from duly.domain.errors import DulyError
from duly.engine.background import in_background
from duly.engine.outlived import end_after
from duly.ports.store import Store
from duly.ports.telemetry import Emit
from duly.settings import Settings

CHECK_LIMIT = timedelta(seconds=5)


Queues = Annotated[
    str | None, typer.Option(help="Queues to serve, separated by commas. (default: DULY_QUEUES, or all of APP's)")
]
Slots = Annotated[
    int | None, typer.Option(min=1, help="Tasks at the same time, per process. (default: DULY_SLOTS or 20)")
]
HealthPort = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="Answer /health/live, /health/ready and /metrics on this port."),
]


def worker(
    app: App,
    queues: Queues = None,
    *,
    slots: Slots = None,
    processes: Processes = 1,
    health_port: HealthPort = None,
    app_dir: AppDir = Path(),
    parent_fd: ParentFd = None,
) -> None:
    """Run tasks.

    [bold]duly worker app:duly[/bold]

    [bold]duly worker app:duly --queues media,default --slots 50 --processes 2 --health-port 8081[/bold]
    """
    duly, settings, emit = begin_app(app, app_dir, {"queues": queues, "slots": slots})
    alone = processes == 1 and not _recycles(settings)
    if parent_fd is not None or alone:
        code = run_loop(_work(duly, settings, parent_fd, health_port, emit))
    else:
        children = parts(app, app_dir, processes, settings)
        code = asyncio.run(_supervise(children, settings, health_port, emit))
    raise typer.Exit(code)


def parts(app: str, app_dir: Path, processes: int, settings: Settings) -> list[Part]:
    """The worker's processes."""
    arguments = ["worker", app, "--app-dir", str(app_dir), "--slots", str(settings.slots)]
    if "queues" in settings.model_fields_set:
        arguments += ["--queues", ",".join(settings.queues)]
    return [duly_part(f"worker-{number}", *arguments) for number in range(1, processes + 1)]


def _recycles(settings: Settings) -> bool:
    return bool(settings.max_tasks_per_process or settings.max_memory_mb)


async def _supervise(children: list[Part], settings: Settings, health_port: int | None, emit: Emit) -> int:
    supervisor = Supervisor(children, settings.grace, emit)
    with on_signals(supervisor.stop), common_folder(settings, emit) as folder:
        scraped = None if folder is None else offered(settings, all_in(folder))
        async with _health(settings, health_port, Health(supervisor.live, supervisor.ready, scraped)):
            return await supervisor.run()


async def _work(duly: Duly, settings: Settings, parent_fd: int | None, health_port: int | None, emit: Emit) -> int:
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        stack.enter_context(stop_on_signals(stop, alone=parent_fd is None))
        await stack.enter_async_context(in_background(emit, end_after(stop, settings.grace, emit)))
        core = await stack.enter_async_context(opened(duly, settings, stop, emit))
        if core is None:
            return OK
        ready = partial(_ready, core.service.store, stop)
        await stack.enter_async_context(under_parent(parent_fd, stop, ready, emit))
        health = Health(lambda: True, ready, offered(settings, core.count.whole))
        await stack.enter_async_context(_health(settings, health_port, health))
        return RECYCLE if await work(core, stop) else OK


@asynccontextmanager
async def _health(settings: Settings, port: int | None, health: Health) -> AsyncIterator[None]:
    if port is None:
        yield
        return
    async with serve_health(settings.host, port, health):
        yield


async def _ready(store: Store, stop: asyncio.Event) -> bool:
    """Whether it claims, and a write to the store works now."""
    if stop.is_set():
        return False
    try:
        async with asyncio.timeout(CHECK_LIMIT.total_seconds()):
            await store.check()
    except (DulyError, TimeoutError):
        return False
    return True
