"""The entry point: builds the command line and turns errors into one sentence and an exit code."""

import gc
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version as version_of
from types import FrameType
from typing import Annotated

import typer

from duly.cli.exits import FAILED, INTERRUPTED, USAGE
from duly.cli.options import QUEUES, SERVER, TASKS
from duly.cli.output import complain, say
from duly.domain.errors import DulyError, Invalid, Misconfigured

KEYS = "keys"

PANELS: Mapping[str, Mapping[str, str]] = {
    SERVER: {
        "dev": "dev:dev",
        "api": "serve:api",
        "worker": "work:worker",
        "migrate": "migrate:migrate",
        "doctor": "doctor:doctor",
        "bench": "bench:bench",
        "torture": "torture:run_torture",
        KEYS: "keys:build",
    },
    TASKS: {
        "submit": "tasks:submit",
        "list": "tasks:list_",
        "show": "tasks:show",
        "cancel": "tasks:cancel",
        "retry": "retry:retry",
    },
    QUEUES: {"queues": "tasks:queues", "pause": "tasks:pause", "resume": "tasks:resume"},
}
"""The commands, in the order in which --help shows them, and where they live in this folder.

Only the one that is asked for is imported: ``duly list`` needs no database, ``duly worker`` no web framework.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 the operation failed, 2 the command line, a setting or the app is wrong.

    ``arguments`` stand for those of the command line, without the program's name.
    """
    if os.getpid() == 1:
        # In a container the kernel would drop it until the command is imported and takes signals itself.
        signal.signal(signal.SIGTERM, _end_at_once)
    _fill_closed_streams()
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        build(given[0] if given else None)(given)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (DulyError, BaseExceptionGroup) as error:
        sys.exit(_told(error))


def build(alone: str | None = None) -> typer.Typer:
    """The command line: with this command alone, or, where that is none, with all its commands."""
    app = typer.Typer(
        name="duly",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Duly: accepted at once, duly done.\n\nTry [bold]duly dev app:duly[/bold] in the folder of your app.py.",
    )
    app.callback()(_common)
    known = {name for commands in PANELS.values() for name in commands}
    wanted = {alone} if alone in known else set() if alone == "--version" else known
    for panel, commands in PANELS.items():
        for name in filter(wanted.__contains__, commands):
            _add(app, name, commands[name], panel)
    return app


def _add(app: typer.Typer, name: str, home: str, panel: str) -> None:
    module, _, function = home.partition(":")
    gc.disable()  # what is imported stays: looking through it again and again takes a sixth of a start
    command = getattr(import_module(f"duly.cli.{module}"), function)
    gc.enable()
    if name == KEYS:
        app.add_typer(command(), name=name, rich_help_panel=panel)
    else:
        app.command(name, rich_help_panel=panel)(command)


def _fill_closed_streams() -> None:
    """Without one Python has None in its place, and the next socket would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  # kept to the end


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


def _version(asked: bool) -> None:
    if asked:
        say(f"duly {version_of('duly')}")
        raise typer.Exit


def _common(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", callback=_version)] = False,
) -> None:
    """Options of the program itself."""


def _told(error: BaseException) -> int:
    """Say the errors of ours in it; anything else is a fault and shows where."""
    ours = list(_leaves(error))
    if not all(isinstance(leaf, DulyError) for leaf in ours):
        raise error
    for message in dict.fromkeys(map(_message, ours)):
        complain(f"duly: {message}")
    return USAGE if all(isinstance(leaf, Misconfigured) for leaf in ours) else FAILED


def _message(error: BaseException) -> str:
    flaws = error.flaws if isinstance(error, Invalid) else ()
    return "\n".join([str(error), *(f"  {flaw.pointer}: {flaw.detail}" for flaw in flaws)])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
