"""Query parameters. A name that a route does not know, or one given twice, is refused: a typo must not widen a list."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from starlette.requests import Request

from duly.api.cursor import decode_cursor
from duly.domain.errors import BadRequest, TaskNotFound
from duly.domain.query import MAX_PAGE, TaskQuery
from duly.domain.state import State
from duly.domain.task import TaskId
from duly.wire.encode import View
from duly.wire.values import parse_time

FILTERS = ("state", "type", "queue", "tag", "key", "created_after", "created_before")
VIEWS = {"full": View.FULL, "basic": View.BASIC}
_LIMIT = re.compile(r"[1-9][0-9]{0,2}")
_UUID_LENGTH = 36
_UUID = re.compile(r"(?ai:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
"""As it is printed; Python would also take it without hyphens, in braces, and as a URN."""


def parameters(request: Request, known: Collection[str]) -> dict[str, str]:
    """The query's parameters. Raises BadRequest."""
    found: dict[str, str] = {}
    if not request.scope["query_string"]:
        return found
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise BadRequest(f"There is no query parameter {name[:50]!r} here; there are {', '.join(known) or 'none'}.")
        if name in found:
            raise BadRequest(f"The query parameter {name[:50]!r} is given twice.")
        if not value or "\0" in value:
            raise BadRequest(f"The query parameter {name[:50]!r} is empty or contains NUL.")
        found[name] = value
    return found


def task_query(given: Mapping[str, str]) -> TaskQuery:
    """One page of tasks as asked for. Raises BadRequest."""
    return TaskQuery(
        state=_choice("state", given["state"], State) if "state" in given else None,
        type=given.get("type"),
        queue=given.get("queue"),
        tag=given.get("tag"),
        key=given.get("key"),
        created_after=_time("created_after", given),
        created_before=_time("created_before", given),
        before=decode_cursor(given["cursor"]) if "cursor" in given else None,
        limit=_limit(given.get("limit", "50")),
    )


def view_of(given: Mapping[str, str]) -> View:
    """How much of each task is wanted. Raises BadRequest."""
    wanted = given.get("view", "full")
    if wanted not in VIEWS:
        raise BadRequest(f"view is {' or '.join(VIEWS)}, not {wanted[:50]!r}.")
    return VIEWS[wanted]


def names(given: str | None) -> tuple[str, ...]:
    """A list of names, separated by commas, without repetitions."""
    return tuple(dict.fromkeys(name for part in (given or "").split(",") if (name := part.strip())))


def task_id(request: Request) -> TaskId:
    """The id in the path. What is no UUID is the id of no task: raises TaskNotFound."""
    text: str = request.path_params["task_id"]
    if not _UUID.fullmatch(text):
        raise TaskNotFound(text[:_UUID_LENGTH])
    return TaskId(UUID(int=int(text.replace("-", ""), 16)))


def _choice(name: str, value: str, among: type[State]) -> State:
    try:
        return among(value)
    except ValueError:
        raise BadRequest(f"{name} is one of {', '.join(among)}, not {value[:50]!r}.") from None


def _time(name: str, given: Mapping[str, str]) -> datetime | None:
    if name not in given:
        return None
    try:
        return parse_time(given[name])
    except ValueError as error:
        raise BadRequest(f"{name}: {error} (in a query, a + is written %2B).") from None


def _limit(value: str) -> int:
    if _LIMIT.fullmatch(value) and int(value) <= MAX_PAGE:
        return int(value)
    raise BadRequest(f"limit is a number from 1 to {MAX_PAGE}, not {value[:20]!r}.")
