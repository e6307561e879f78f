"""`duly retry`: tasks by their ids, or dead letters by filter."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from duly.cli import output
from duly.cli.options import AnyIds, AsJson, DryRun, Redrivable, Url
from duly.cli.payload import PAYLOAD_HELP, parsed
from duly.cli.progress import bar
from duly.cli.table import table
from duly.cli.tasks import each
from duly.client import Client, RedriveFilter
from duly.client.calls import UNCHANGED, Filters
from duly.client.transport import DEFAULT_URL
from duly.wire.redrive import Redriven
from duly.wire.task import Task

STEP = 200
"""Tasks in one request: the bar moves, and an outage leaves little in doubt."""


def retry(
    task_ids: AnyIds = None,
    url: Url = DEFAULT_URL,
    *,
    payload: Annotated[str | None, typer.Option(help=f"Replaces the payload. {PAYLOAD_HELP}")] = None,
    state: Redrivable = None,
    type_name: Annotated[str | None, typer.Option("--type", help="Of those, the ones of this type.")] = None,
    queue: Annotated[str | None, typer.Option(help="Of those, the ones of this queue.")] = None,
    tag: Annotated[str | None, typer.Option(help="Of those, the ones with this tag.")] = None,
    error_type: Annotated[str | None, typer.Option(help="Of those, the ones that failed with this exception.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Run tasks again that have ended, or run scheduled ones now.

    [bold]duly retry ID --payload '{"text": "corrected"}'[/bold]

    [bold]duly retry --state failed --type mail.send --dry-run[/bold]
    """
    fits = {"type": type_name, "queue": queue, "tag": tag, "error_type": error_type}
    _refuse_what_does_not_go_together(task_ids, payload, state, of_many=dry_run or any(fits.values()))
    with Client(url) as client:
        if state is not None:
            return _redrive(client, RedriveFilter(state=state, **fits), dry_run, as_json)
        replacement = UNCHANGED if payload is None else parsed(payload)
        return each(task_ids or (), lambda task_id: client.retry(task_id, replacement), as_json)


def _refuse_what_does_not_go_together(
    task_ids: Sequence[str] | None, payload: str | None, state: object, *, of_many: bool
) -> None:
    if bool(task_ids) == (state is not None):
        raise typer.BadParameter("give the ids of tasks, or --state failed (or cancelled) for all of them.")
    if state is not None and payload is not None:
        raise typer.BadParameter("--payload goes with ids: each of many tasks keeps its own.")
    if state is None and of_many:
        raise typer.BadParameter("--type, --queue, --tag, --error-type and --dry-run go with --state.")


def _redrive(client: Client, which: RedriveFilter, dry_run: bool, as_json: bool) -> None:
    found = Counter((task.type, task.queue, _why(task)) for task in _fitting(client, which))
    if dry_run:
        _say_found(found, as_json)
    else:
        _say_done(_with_bar(client, which, found.total()), as_json)


def _fitting(client: Client, which: RedriveFilter) -> Iterator[Task]:
    """Those that the service would retry now."""
    given = which.model_dump(exclude_none=True, exclude={"error_type"})
    filters = Filters(**given)  # type: ignore[typeddict-item]
    for task in client.list(page_size=STEP, basic=True, **filters):
        if which.error_type in (None, _why(task)):
            yield task


def _why(task: Task) -> str | None:
    return None if task.error is None else task.error.type


def _with_bar(client: Client, which: RedriveFilter, total: int) -> Sequence[Redriven]:
    done = []
    with bar() as bars:
        line = bars.add_task("retried", total=total, note="")
        for step in _steps(client, which):
            done.append(step)
            bars.advance(line, step.retried + step.skipped)
    return done


def _steps(client: Client, which: RedriveFilter) -> Iterator[Redriven]:
    step = client.retry_many(which, STEP)
    yield step
    while step.next is not None:
        step = client.retry_many(which, STEP, step.next)
        yield step


def _say_found(found: Counter[tuple[str, str, str | None]], as_json: bool) -> None:
    if as_json:
        output.say(f'{{"found":{found.total()}}}')
        return
    rows = [(*about, count) for about, count in found.most_common()]
    output.say(table(("TYPE", "QUEUE", "ERROR", "TASKS"), rows))
    output.say(f"{found.total()} would be retried.")


def _say_done(done: Sequence[Redriven], as_json: bool) -> None:
    retried, skipped = sum(step.retried for step in done), sum(step.skipped for step in done)
    if as_json:
        output.say(f'{{"retried":{retried},"skipped":{skipped}}}')
        return
    output.say(f"{retried} retried.")
    if skipped:
        output.say(f"{skipped} left as they are, because a live task holds their key.")
