"""The entry point: builds the command line and turns errors into one sentence and an exit code."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated

import typer

from duly import __version__
from duly.cli import keys, tasks
from duly.cli.bench import bench
from duly.cli.dev import dev
from duly.cli.doctor import doctor
from duly.cli.exits import FAILED, INTERRUPTED, USAGE
from duly.cli.migrate import migrate
from duly.cli.options import QUEUES, SERVER, TASKS
from duly.cli.output import complain, say
from duly.cli.retry import retry
from duly.cli.serve import api
from duly.cli.work import worker
from duly.domain.errors import DulyError, Invalid, Misconfigured

PANELS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    SERVER: {"dev": dev, "api": api, "worker": worker, "migrate": migrate, "doctor": doctor, "bench": bench},
    TASKS: {
        "submit": tasks.submit,
        "list": tasks.list_,
        "show": tasks.show,
        "cancel": tasks.cancel,
        "retry": retry,
    },
    QUEUES: {"queues": tasks.queues, "pause": tasks.pause, "resume": tasks.resume},
}
"""The commands, in the order in which --help shows them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 the operation failed, 2 the command line, a setting or the app is wrong.

    ``arguments`` stand for those of the command line, without the program's name.
    """
    try:
        build()(None if arguments is None else list(arguments))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (DulyError, BaseExceptionGroup) as error:
        sys.exit(_told(error))


def build() -> typer.Typer:
    """The command line, with all its commands."""
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
    for panel, commands in PANELS.items():
        for name, command in commands.items():
            app.command(name, rich_help_panel=panel)(command)
    app.add_typer(keys.build(), name="keys", rich_help_panel=SERVER)
    return app


def _version(asked: bool) -> None:
    if asked:
        say(f"duly {__version__}")
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
