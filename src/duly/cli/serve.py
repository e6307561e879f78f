"""``duly api``: the HTTP surface, in one process or several that share one listening socket."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import typer
import uvicorn
from fastapi import FastAPI

from duly.api.app import create_app
from duly.api.door import LATE
from duly.app import Duly
from duly.cli.begin import begin_app, opened
from duly.cli.child import Part
from duly.cli.exits import FAILED, OK
from duly.cli.life import under_parent
from duly.cli.listening import listen, parts, url_of
from duly.cli.loop import run_loop
from duly.cli.metrics import common_folder
from duly.cli.options import App, AppDir, Host, ParentFd, Port, Processes, SocketFd
from duly.cli.protocol import Http
from duly.cli.signals import on_signals, stop_on_signals
from duly.cli.supervise import Supervisor
from duly.engine.background import in_background
from duly.engine.grace import Grace
from duly.engine.outlived import end_after
from duly.engine.tasks import Tasks
from duly.ports.telemetry import Emit
from duly.settings import Settings
from duly.settings_rules import allowed_hosts, check_bind, public_docs, public_metrics

KEEP_ALIVE = 65
"""Seconds; longer than proxies keep theirs (60), so that none sends into a connection that was just closed."""


class _Server(uvicorn.Server):
    """Leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours are taken in ``cli/signals``."""
        yield


def api(
    app: App,
    host: Host = None,
    port: Port = None,
    processes: Processes = 1,
    app_dir: AppDir = Path(),
    *,
    parent_fd: ParentFd = None,
    socket_fd: SocketFd = None,
) -> None:
    """Serve the HTTP surface; workers run apart.

    [bold]duly api app:duly[/bold]

    [bold]duly api app:duly --port 8080 --processes 4[/bold]
    """
    duly, settings, emit = begin_app(app, app_dir, {"host": host, "port": port})
    check_bind(settings)
    listener = socket.socket(fileno=socket_fd) if socket_fd is not None else listen(settings)
    with listener:
        if parent_fd is None:
            emit("api.listening", {"url": url_of(listener), "processes": processes})
        if processes == 1:
            code = run_loop(_serve(duly, settings, listener, parent_fd, emit))
        else:
            code = asyncio.run(_supervise(parts(app, app_dir, listener, processes), settings, emit))
    raise typer.Exit(code)


async def _supervise(children: list[Part], settings: Settings, emit: Emit) -> int:
    supervisor = Supervisor(children, settings.grace, emit)
    with on_signals(supervisor.stop), common_folder(settings, emit):
        return await supervisor.run()


async def _serve(duly: Duly, settings: Settings, listener: socket.socket, parent_fd: int | None, emit: Emit) -> int:
    stop = asyncio.Event()
    with stop_on_signals(stop, alone=parent_fd is None):
        in_time = in_background(emit, end_after(stop, settings.grace, emit))
        async with in_time, opened(duly, settings, stop, emit) as core:
            if core is None:
                return OK
            app = create_app(
                core.service,
                allowed_hosts=allowed_hosts(settings),
                docs=public_docs(settings),
                metrics=public_metrics(settings),
            )
            server = _Server(_config(app, settings))
            async with under_parent(parent_fd, stop, partial(_started, server), emit), asyncio.TaskGroup() as group:
                ending = group.create_task(_end(server, core.service.tasks, stop, Grace(settings.grace).work))
                await server.serve(sockets=[listener])
                ending.cancel()
    return OK if stop.is_set() else FAILED


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Http,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=settings.log_level == "debug",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
    )


async def _end(server: uvicorn.Server, tasks: Tasks, stop: asyncio.Event, patience: timedelta) -> None:
    """Open streams and long waits would keep the server from ending: they end first. Others have a while for it."""
    await stop.wait()
    tasks.release()
    server.should_exit = True
    await asyncio.sleep(patience.total_seconds())
    for request in server.server_state.tasks:
        request.cancel(LATE)


async def _started(server: uvicorn.Server) -> bool:
    return server.started
