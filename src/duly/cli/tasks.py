"""Commands about tasks and queues, over HTTP."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Annotated, Any

import typer

from duly.cli import output
from duly.cli.exits import FAILED
from duly.cli.options import AsJson, CallbackUrl, Delay, Priority, Progress, TaskIds, Url, Wait
from duly.cli.payload import PAYLOAD_HELP, parsed
from duly.cli.progress import watch
from duly.client import Client
from duly.client.calls import Filters
from duly.client.transport import DEFAULT_URL
from duly.domain.errors import DulyError
from duly.domain.state import State
from duly.wire.overview import Queue
from duly.wire.task import Task

TypeName = Annotated[str, typer.Argument(metavar="TYPE", help="The handler's type.", show_default=False)]
Tags = Annotated[list[str] | None, typer.Option(help="A word to find it by; may be repeated.")]
Payload = Annotated[str, typer.Argument(help=PAYLOAD_HELP)]


def submit(
    type_name: TypeName,
    payload: Payload = "{}",
    url: Url = DEFAULT_URL,
    *,
    queue: Annotated[str | None, typer.Option(help="Another queue than the type's.")] = None,
    priority: Priority = None,
    delay: Delay = None,
    key: Annotated[str | None, typer.Option(help="At most one live task of the type has it.")] = None,
    tag: Tags = None,
    callback_url: CallbackUrl = None,
    wait: Wait = False,
    progress: Progress = False,
    as_json: AsJson = False,
) -> None:
    """Submit a task; with --wait, print its result or its error too, and exit 1 unless it completed.

    [bold]duly submit text.reverse '{"text": "hello"}'[/bold]

    [bold]duly submit media.thumbnail @photo.json --priority 9 --wait --progress[/bold]
    """
    options = given(queue=queue, priority=priority, delay=delay, key=key, tags=tag, callback_url=callback_url)
    with Client(url) as client:
        task = client.submit(type_name, parsed(payload), **options)
        if ended := wait or progress:
            task = watch(client, task.id) if progress else client.wait(task.id)
    _say_task(task, as_json, output.task_end(task) if ended else output.task_table([task]))
    if ended and task.state is not State.COMPLETED:
        raise typer.Exit(FAILED)


def list_(
    url: Url = DEFAULT_URL,
    *,
    state: Annotated[State | None, typer.Option(help="Only tasks in this state.")] = None,
    type_name: Annotated[str | None, typer.Option("--type", help="Only tasks of this type.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only tasks of this queue.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only tasks with this tag.")] = None,
    key: Annotated[str | None, typer.Option(help="Only tasks with this key.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List tasks, newest first.

    [bold]duly list --state failed --queue media[/bold]

    [bold]duly list --limit 1000 --json | jq -r '.tasks[].id'[/bold]
    """
    filters: Filters = given(state=state, type=type_name, queue=queue, tag=tag, key=key)
    with Client(url) as client:
        tasks = list(islice(client.list(page_size=min(limit, 200), basic=True, **filters), limit))
    if as_json:
        output.say_many_json("tasks", tasks)
    else:
        output.say(output.task_table(tasks))


def show(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a task.", show_default=False)],
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Show everything about one task, with its story.

    [bold]duly show 01936b1c-6a3e-7d1b-9c3e-2f6d1c0a9b55[/bold]
    """
    with Client(url) as client:
        task = client.get(task_id)
        if as_json:
            output.say_json(task)
        else:
            output.say(output.task_sheet(task, client.events(task_id)))


def cancel(task_ids: TaskIds, url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Cancel tasks: at once while they wait; running ones are asked to stop.

    [bold]duly cancel ID1 ID2[/bold]
    """
    with Client(url) as client:
        each(task_ids, client.cancel, as_json)


def queues(url: Url = DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """List the queues: what waits, what runs, how fast.

    [bold]duly queues[/bold]
    """
    with Client(url) as client:
        _say_queues(client.queues(), as_json)


def pause(
    queue: Annotated[str, typer.Argument(help="Its name.", show_default=False)],
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Pause a queue: running tasks go on, no other starts.

    [bold]duly pause media[/bold]
    """
    with Client(url) as client:
        _say_queues([client.pause(queue)], as_json)


def resume(
    queue: Annotated[str, typer.Argument(help="Its name.", show_default=False)],
    url: Url = DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Let a paused queue go on.

    [bold]duly resume media[/bold]
    """
    with Client(url) as client:
        _say_queues([client.resume(queue)], as_json)


def given(**options: Any) -> Any:  # of any of the client's typed dictionaries
    """Those that were given on the command line."""
    return {name: value for name, value in options.items() if value is not None}


def each(task_ids: Iterable[str], act: Callable[[str], Task], as_json: bool) -> None:
    """Every one is tried; those that cannot be done are told, and make the command fail."""
    done: list[Task] = []
    failed = False
    for task_id in task_ids:
        try:
            done.append(act(task_id))
        except DulyError as error:
            output.complain(f"duly: {error}")
            failed = True
    if as_json:
        output.say_many_json("tasks", done)
    elif done:
        output.say(output.task_table(done))
    if failed:
        raise typer.Exit(FAILED)


def _say_task(task: Task, as_json: bool, text: str) -> None:
    if as_json:
        output.say_json(task)
    else:
        output.say(text)


def _say_queues(found: list[Queue], as_json: bool) -> None:
    if as_json:
        output.say_many_json("queues", found)
    else:
        output.say(output.queue_table(found))
