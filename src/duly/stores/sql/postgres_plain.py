"""New tasks of the most frequent kind, on their way to PostgreSQL: a few texts instead of an array for each column.

The driver asks of each item of an array what kind of thing it is, which takes longer than all the rest; and of the
columns of such tasks a batch has most in common.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from duly.domain.making import fields, is_ready
from duly.domain.moment import MICROSECOND
from duly.domain.task import HIGHEST_PRIORITY, Task
from duly.stores.sql.postgres_moments import sent
from duly.stores.sql.rows import tags_text

MOST_KINDS = 16
"""With more, what they have in common is not worth looking for: PostgreSQL counts through an array of texts."""

_Kind = tuple[str, str, int, int, timedelta, tuple[str, ...]]

_kind_of: Callable[[Task], _Kind] = fields("type", "queue", "priority", "max_attempts", "timeout", "tags")
_own_of = fields("id_text", "payload", "created_at", "request_id", "traceparent")
_rare_of = fields("expires_at", "key", "callback_url")

_BETWEEN = "\x01"
"""Stands between texts; JSON escapes it."""


def plain_columns(new: Sequence[Task]) -> tuple[object, ...] | None:
    """The arguments of ``INSERT_PLAIN``; None when one of them needs a column that these have not."""
    kinds: dict[_Kind, int] = {}
    numbers = [kinds.setdefault(_kind_of(task), len(kinds) + 1) for task in new if _is_plain(task)]
    if len(numbers) < len(new) or len(kinds) > MOST_KINDS:
        return None
    ids, payloads, times, requests, traces = zip(*map(_own_of, new), strict=True)
    texts = [_joined(requests), _joined(traces)]
    if None in texts:
        return None
    return (
        ",".join(ids),
        _BETWEEN.join(payloads),
        *texts,
        ",".join(map(str, numbers)) if len(kinds) > 1 else None,
        *sent(times),
        *map(list, zip(*map(_columns_of, kinds), strict=True)),
    )


def _is_plain(task: Task) -> bool:
    return is_ready(task) and task.run_at == task.created_at and _rare_of(task) == (None, None, None)


def _columns_of(kind: _Kind) -> tuple[object, ...]:
    type_, queue, priority, max_attempts, timeout, tags = kind
    return (type_, queue, HIGHEST_PRIORITY - priority, max_attempts, timeout // MICROSECOND, tags_text(tags))


def _joined(values: Sequence[str | None]) -> str | None:
    """With nothing where there is none; None when they cannot be told apart then."""
    if "" in values:
        return None
    text = _BETWEEN.join([value or "" for value in values])
    return text if text.count(_BETWEEN) == len(values) - 1 else None
