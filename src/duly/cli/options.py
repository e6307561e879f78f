"""Options that several commands share."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from duly.domain.amounts import duration

SERVER, TASKS, QUEUES = "Run it", "Tasks", "Queues"
"""The panels of --help."""


def parse_duration(text: str) -> timedelta:
    """For typer: a duration as the settings take it."""
    try:
        given = duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return given if isinstance(given, timedelta) else timedelta()


App = Annotated[
    str, typer.Argument(metavar="APP", help="Where your Duly is: module:attribute, as in app:duly.", show_default=False)
]
AppDir = Annotated[Path, typer.Option("--app-dir", help="Folder in which the app's module is looked for.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on. (default: DULY_HOST or 127.0.0.1)")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one. (default: DULY_PORT or 8000)")]
Processes = Annotated[int, typer.Option(min=1, max=256, help="How many processes to run.")]
ParentFd = Annotated[int | None, typer.Option("--parent-fd", hidden=True)]
SocketFd = Annotated[int | None, typer.Option("--socket-fd", hidden=True)]

Url = Annotated[str, typer.Option("--url", envvar="DULY_URL", help="Where the Duly service answers.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Delay = Annotated[timedelta | None, typer.Option(parser=parse_duration, help="Wait first: 30s, 5m, 2h.")]
Priority = Annotated[int | None, typer.Option(min=0, max=9, help="0 to 9, 9 first.")]
CallbackUrl = Annotated[str | None, typer.Option(help="An https address that is told of the end, signed.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait, and print the result; exit 1 when it does not complete.")]
Progress = Annotated[bool, typer.Option("--progress", help="As --wait, with a progress bar on standard error.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count them, and retry none.")]
Redrivable = Annotated[
    Literal["failed", "cancelled"] | None, typer.Option(help="Instead of ids: all tasks in this state.")
]
TaskIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of tasks.", show_default=False)]
AnyIds = Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Ids of tasks.")]
