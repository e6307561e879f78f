"""``duly dev``: everything in one, for the desk: migrates, serves, works, and starts again when the code changes."""

import asyncio
import json
import os
import shlex
import socket
import sys
from datetime import timedelta
from pathlib import Path
from shutil import which

import typer
from watchfiles import PythonFilter, awatch

from duly import assembly
from duly.cli import listening, work
from duly.cli.begin import begin
from duly.cli.metrics import common_folder
from duly.cli.options import App, AppDir, Host, Port
from duly.cli.output import say
from duly.cli.sample import easiest, sample
from duly.cli.signals import on_signals
from duly.cli.supervise import Supervisor
from duly.client import AsyncClient
from duly.client.transport import DEFAULT_URL
from duly.domain.errors import DulyError
from duly.ports.telemetry import Emit
from duly.settings import PREFIX, Settings
from duly.settings_rules import check_bind, safe_url

GRACE = timedelta(seconds=2)
"""At the desk nobody wants to wait: what still runs is put back and runs again after the restart."""


def dev(app: App, host: Host = None, port: Port = None, app_dir: AppDir = Path()) -> None:
    """Develop: API and worker together, started again when the code changes.

    [bold]duly dev app:duly[/bold]

    [bold]duly dev app:duly --port 8123[/bold]
    """
    settings, emit = begin({"host": host, "port": port})
    check_bind(settings)
    if "grace" not in settings.model_fields_set:
        settings = settings.model_copy(update={"grace": GRACE})
        os.environ[f"{PREFIX}GRACE"] = str(GRACE.total_seconds())  # the children read the environment
    with listening.listen(settings) as listener:
        asyncio.run(assembly.migrate(settings))
        code = asyncio.run(_run(app, app_dir, settings, listener, emit))
    raise typer.Exit(code)


async def _run(app: str, app_dir: Path, settings: Settings, listener: socket.socket, emit: Emit) -> int:
    children = [*listening.parts(app, app_dir, listener, 1), *work.parts(app, app_dir, 1, settings)]
    supervisor = Supervisor(children, settings.grace, emit, until_changed=True)
    with on_signals(supervisor.stop), common_folder(settings, emit):
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(_restart_on_changes(supervisor, app_dir, emit)),
                group.create_task(_welcome(supervisor, settings, listening.url_of(listener))),
            ]
            code = await supervisor.run()
            for one in beside:
                one.cancel()
    return code


async def _restart_on_changes(supervisor: Supervisor, folder: Path, emit: Emit) -> None:
    await supervisor.started.wait()
    try:
        async for changes in awatch(folder, watch_filter=PythonFilter(), debug=False):
            emit("code.changed", {"files": sorted({path for _, path in changes})[:5]})
            await supervisor.restart()
    except (OSError, RuntimeError) as error:  # no right to read a folder, or too many files for the system's limit
        emit("code.unwatched", {"error": str(error)})


async def _welcome(supervisor: Supervisor, settings: Settings, url: str) -> None:
    """Say where to look, once there is something to see."""
    await supervisor.started.wait()
    lines = [
        "",
        f"  Duly is at {url}, its tasks in {safe_url(settings.database_url)}.",
        "",
        f"  Try it       {await _first_line(url)}",
        f"  Then         {_duly('list', url)}",
        f"  Explore      {url}/docs",
        "  Stop         Ctrl-C",
        "",
    ]
    say("\n".join(lines))


async def _first_line(url: str) -> str:
    """A line that submits the easiest task of the app."""
    try:
        async with AsyncClient(url) as client:
            schemas = {task_type.name: task_type.payload_schema for task_type in await client.types()}
    except DulyError:
        schemas = {}
    name = easiest(schemas)
    if name is None:
        return f"curl {url}/v1/types"
    body = json.dumps({"type": name, "payload": sample(schemas[name])})
    return f"curl -H 'content-type: application/json' -d {shlex.quote(body)} {url}/v1/tasks"


def _duly(command: str, url: str) -> str:
    """The command as it can be typed here, also where the virtual environment is not active."""
    program = "duly" if which("duly") else os.path.relpath(Path(sys.executable).with_name("duly"))
    return f"{program} {command}" if url == DEFAULT_URL else f"{program} {command} --url {url}"
