"""``duly torture``: a service of its own under faults, and what became of Duly's promises."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from duly.cli.exits import FAILED, OK
from duly.cli.output import say
from duly.cli.signals import on_signals
from duly.torture.checker import check
from duly.torture.links import check_named
from duly.torture.plan import APP, Plan
from duly.torture.rates import HEALED, PATIENT
from duly.torture.run import NAMES, Course, Show, torture
from duly.torture.sheet import read_sheets, sheet, tables
from duly.torture.verdict import Verdict

Store = Annotated[
    str, typer.Option(help="sqlite, postgresql, mariadb (a server of its own is started), or an address.")
]
Broker = Annotated[str, typer.Option(help="none, rabbitmq, redis, celery (of its own), or an address.")]
Faults = Annotated[str, typer.Option(help=f"Separated by commas: {', '.join(NAMES)}. (default: all that are possible)")]
Mine = Annotated[bool, typer.Option("--mine", help="Also empty and exhaust servers that were given by address.")]
Folder = Annotated[Path | None, typer.Option(help="Keep the records here. (default: a temporary folder)")]
TableOf = Annotated[list[Path] | None, typer.Option("--table", help="No run: make Markdown of what --json wrote.")]


def run_torture(  # its parameters are the options, its docstring is their help: it does one thing all the same
    *,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the load and the faults go on.")] = 2,
    store: Store = "sqlite",
    broker: Broker = "none",
    cache: Annotated[str, typer.Option(help="none, memory, redis (of its own), or an address.")] = "none",
    faults: Faults = "",
    seed: Annotated[int, typer.Option(help="Decides chance, as far as the machine's scheduling allows.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, help="Tasks that are submitted a second.")] = 30,
    clients: Annotated[int, typer.Option(min=1, max=200, help="Who submit them, each with its own records.")] = 6,
    app: Annotated[str, typer.Option(help="Handlers that write effects; yours must have the types of ours.")] = APP,
    app_dir: Annotated[
        Path, typer.Option("--app-dir", help="Folder in which the app's module is looked for.")
    ] = Path(),
    mine: Mine = False,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds after the load in which all must become final.")
    ] = 300,
    folder: Folder = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    table: TableOf = None,
) -> None:
    """Break Duly on purpose, and have its promises checked.

    Two APIs and two workers of its own serve several clients, while
    processes are killed, stopped and restarted, connections cut, slowed
    down and left hanging, servers restarted and emptied. Every answer that
    a client got, and every start and end of a handler, is written down
    beside Duly; in the end a checker says what was lost, done twice or
    otherwise wrong, with the shortest history that shows it. Exit code 1
    if anything was.

    [bold]duly torture[/bold]

    [bold]duly torture --store postgresql --broker rabbitmq --faults kill,cut[/bold]

    Servers are started in temporary folders from the programs that are
    installed. A server that you give by its address is never restarted,
    and neither emptied nor exhausted without --mine; its database must
    hold no tasks. It ends by itself: the minutes, and as long as it takes
    until every task is final.
    """
    if table:
        say(tables(read_sheets(table)))
        return
    check_named(store, broker, cache)
    with _kept(folder) as place:
        plan = Plan(
            minutes=minutes,
            store=store,
            broker=broker,
            cache=cache,
            faults=tuple(filter(None, faults.split(","))),
            seed=seed,
            rate=rate,
            clients=clients,
            app=app,
            app_dir=app_dir,
            folder=place,
            mine=mine,
            patience=timedelta(seconds=patience),
        )
        code = _tortured(plan, json_file)
    raise typer.Exit(code)


def _tortured(plan: Plan, json_file: Path | None) -> int:
    """Run, judge, tell."""
    with _showing() as show:
        course = _run(plan, show)
        show.now("checking")
        verdict = check(plan.folder)
    if json_file is not None:
        json_file.write_text(json.dumps(sheet(plan, course, verdict, _command()), indent=1) + "\n")
    return _judged(course, verdict)


def _run(plan: Plan, show: Show) -> Course:
    """Ended by a signal, it takes all that it started with it."""

    async def run() -> Course:
        running = asyncio.ensure_future(torture(plan, show))

        def end() -> None:
            running.cancel()

        with on_signals(end):
            return await running

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _judged(course: Course, verdict: Verdict) -> int:
    """Say it all."""
    say(verdict.text())
    say(f"faults: {len(course.past)}; {course.before:.1f} tasks/s before the first, {course.after:.1f} after the last")
    say(f"slowest end by SIGTERM: {course.slowest_end:.1f} s")
    flaws = list(_flaws(course))
    for flaw in flaws:
        say(flaw)
    return OK if verdict.proved and not flaws else FAILED


def _flaws(course: Course) -> Iterator[str]:
    """What the records do not show."""
    if not course.all_final:
        yield "not all tasks became final in time"
    for past in course.past:
        if past.back is None:
            yield f"{past.scenario}: the rate was not {HEALED:.0%} of before again within {PATIENT:.0f} s"
    if course.stuck:
        yield f"{course.stuck} processes did not end when they were asked to"


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    """An empty folder."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="duly-torture-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    if folder.exists() and any(folder.iterdir()):
        raise typer.BadParameter(f"{folder} is not empty: a run's records need a folder of their own.")
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


class _Lines:
    """Plain lines, where nobody looks at a terminal."""

    def line(self, text: str) -> None:
        say(text)

    def now(self, text: str) -> None:
        del text


class _Live:
    """What happened scrolls by; how it stands is the last line."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status

    def line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def now(self, text: str) -> None:
        self._status.update(text)


@contextmanager
def _showing() -> Iterator[Show]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    with console.status("") as status:
        yield _Live(console, status)


def _command(arguments: Sequence[str] | None = None) -> str:
    """As it was typed, without a folder that only this machine has."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for name in ("--json", "--folder"):
        if name in words:
            at = words.index(name)
            del words[at : at + 2]
    return " ".join(["duly", *words])
