"""What a hint looks like on its way through a broker."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from duly.domain.task import HIGHEST_PRIORITY, LOWEST_PRIORITY, TaskId
from duly.ports.broker import Hint

MAX_SIZE = 16 * 1024
"""A message of 100 ids and the longest queue name has less than 6 KiB; what is larger is not ours."""

MAX_KEPT = 64 * 1024
"""Of what is not ours so much is kept for whoever looks into it."""

_ID = re.compile("[0-9a-f]{32}")


class NotOurs(Exception):
    """A message that Duly did not write, or not for this queue; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message that is not ours."""

    queue: str
    """The Duly queue in which it was found."""
    body: bytes
    reason: str


def encode(hint: Hint) -> bytes:
    """JSON, for people who look into the broker. ``count`` comes first, where a script finds it without parsing."""
    return json.dumps(
        {
            "count": len(hint.ids),
            "queue": hint.queue,
            "priority": hint.priority,
            "ids": [task_id.hex for task_id in hint.ids],
        },
        separators=(",", ":"),
    ).encode("ascii")


def decode(body: bytes, queue: str) -> Hint:
    """The hint that was found in this Duly queue. Raises NotOurs, whatever the body is."""
    if len(body) > MAX_SIZE:
        raise NotOurs(f"{len(body)} bytes are too many")
    try:
        read: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotOurs(f"no JSON: {error}") from error
    match read:
        case {"queue": str(named), "priority": int(priority), "ids": list(ids)} if not isinstance(priority, bool):
            if named != queue:
                raise NotOurs(f"meant for the queue {named!r}")
            if not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY or not ids:
                raise NotOurs("a priority or a number of ids that no task has")
            return Hint(queue, priority, tuple(_task_id(one) for one in ids))
    raise NotOurs("JSON of another form")


def opened(bodies: Iterable[tuple[str, bytes]]) -> Iterator[Hint | Foreign]:
    """Each of these (queue, body) as what it is."""
    for queue, body in bodies:
        try:
            yield decode(body, queue)
        except NotOurs as error:
            yield Foreign(queue, body, str(error))


def _task_id(written: object) -> TaskId:
    if not isinstance(written, str) or not _ID.fullmatch(written):
        raise NotOurs("an id that no task has")
    return TaskId(UUID(written))
