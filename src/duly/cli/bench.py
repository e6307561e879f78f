"""``duly bench``: how fast the configured store and broker are, measured from this machine."""

from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from duly.assembly import open_core
from duly.cli.begin import begin
from duly.cli.bench_run import QUEUE, Bench, Figures, Plan, Spread, StoreInUse, foreign
from duly.cli.loop import run_loop
from duly.cli.output import say
from duly.cli.progress import bar
from duly.cli.table import table
from duly.settings import Settings
from duly.settings_rules import safe_url

QUIET = "error"
"""The level of the log meanwhile: lines of every attempt would be measured too."""


def bench(
    *,
    tasks: Annotated[int, typer.Option(min=100, help="Tasks to submit, and then to run.")] = 5_000,
    callers: Annotated[int, typer.Option(min=1, max=10_000, help="Submits at the same time.")] = 64,
    slots: Annotated[int, typer.Option(min=1, max=10_000, help="Tasks that the worker runs at the same time.")] = 200,
    samples: Annotated[int, typer.Option(min=10, help="Tasks submitted one at a time, to measure latency.")] = 100,
    in_use: Annotated[bool, typer.Option("--in-use", help="Measure although the store has live tasks.")] = False,
) -> None:
    """Measure submit, drain and latency on your own database and broker.

    One process submits, runs and waits: the figures are what one process on
    this machine reaches with this store. The tasks do nothing and have a
    queue of their own, duly-bench, which is emptied before and after. The
    schema must be there: [bold]duly migrate[/bold].

    [bold]duly bench[/bold]

    [bold]DULY_DATABASE_URL=postgresql://me@db/bench duly bench --tasks 50000[/bold]

    [bold]submit[/bold] is single submits of many callers, each committed
    before it counts; [bold]drain[/bold] is claim, run and settle of what was
    submitted; [bold]latency[/bold] is one task at a time on an idle system,
    to the start of its handler and to its result. Compare with the tables of
    docs/performance.md; several processes of [bold]duly worker[/bold] drain
    faster than one.
    """
    settings, _ = begin({"queues": QUEUE, "slots": slots, "log_level": QUIET})
    figures = run_loop(_measured(settings, Plan(tasks, callers, samples), in_use=in_use))
    say(f"{safe_url(settings.database_url)}{_broker(settings)}")
    say(_told(figures))


async def _measured(settings: Settings, plan: Plan, *, in_use: bool) -> Figures:
    """Raises StoreInUse. The bars are shown once it is known that there is something to do."""
    bars = bar()
    one = Bench(plan, _Lines(bars, plan))
    async with open_core(settings, one.handlers) as core:
        busy = {} if in_use else await foreign(core)
        if busy:
            raise StoreInUse(_refusal(settings, busy))
        with bars:
            return await one.measure(core)


class _Lines:
    """One bar for each step."""

    def __init__(self, bars: Progress, plan: Plan) -> None:
        self._bars = bars
        totals = {"submit": plan.tasks, "drain": plan.tasks, "latency": plan.samples}
        self._lines: dict[str, TaskID] = {
            name: bars.add_task(f"{name:<8}", total=total, note="") for name, total in totals.items()
        }

    def __call__(self, step: str, done: int) -> None:
        self._bars.advance(self._lines[step], done)


def _refusal(settings: Settings, busy: dict[str, int]) -> str:
    where = ", ".join(f"{count} in {queue}" for queue, count in sorted(busy.items()))
    return (
        f"{safe_url(settings.database_url)} has live tasks ({where}): to measure would slow them down, and they would "
        "blur the figures. Take a database that nobody uses, or say --in-use."
    )


def _broker(settings: Settings) -> str:
    return f", broker {safe_url(settings.broker_url)}" if settings.broker_url else ", no broker"


def _told(figures: Figures) -> str:
    rows = (
        ("submit", f"{figures.submit_rate:,.0f}", *_cells(figures.submit)),
        ("drain", f"{figures.drain_rate:,.0f}", None, None),
        ("submit to start", None, *_cells(figures.start)),
        ("submit to result", None, *_cells(figures.result)),
    )
    return table(("", "TASKS/S", "P50", "P99"), rows)


def _cells(spread: Spread) -> tuple[str, str]:
    return _milliseconds(spread.p50.total_seconds()), _milliseconds(spread.p99.total_seconds())


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
