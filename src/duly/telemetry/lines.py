"""Makes log lines of what happens: the one place that knows which event is worth which level."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from logging import ERROR, INFO, WARNING

import structlog
from structlog.typing import FilteringBoundLogger

from duly.ports.telemetry import Emit

LEVELS: Mapping[str, int] = {
    "attempt.broken": ERROR,
    "background.failed": ERROR,
    "bell.deafened": WARNING,
    "bell.lost": WARNING,
    "broker.full": WARNING,
    "broker.refused": WARNING,
    "broker.unavailable": WARNING,
    "cache.unavailable": WARNING,
    "child.awaiting_change": WARNING,
    "child.died": ERROR,
    "child.killed": WARNING,
    "child.unstarted": ERROR,
    "code.unwatched": WARNING,
    "event.unrecorded": WARNING,
    "identity.refused": WARNING,
    "identity.throttled": WARNING,
    "jwks.unavailable": WARNING,
    "hint.refused": WARNING,
    "lease.expired": WARNING,
    "lease.lost": WARNING,
    "lease.unrenewed": WARNING,
    "limits.unavailable": WARNING,
    "loop.dead": ERROR,
    "loop.failed": ERROR,
    "loop.stalled": WARNING,
    "process.overdue": WARNING,
    "process.unstarted": ERROR,
    "metrics.apart": WARNING,
    "replica.unavailable": WARNING,
    "station.broken": ERROR,
    "store.unavailable": WARNING,
    "task.abandoned": WARNING,
    "task.expired": WARNING,
    "thread.unstarted": ERROR,
    "traces.unavailable": WARNING,
    "worker.putting_back": WARNING,
    "write.refused": WARNING,
}
"""error: a person must act; warning: we coped; debug: a pass that found nothing. What is not named is info."""

COPED_WITH = frozenset({"handler_error", "timeout", "worker_lost"})
"""Reasons that make the line of an attempt that will be tried again a warning."""

NEVER_WRITTEN = frozenset({"payload", "result", "progress"})
"""What users hand over stays out of the log, even if an event carries it by mistake."""


def log_lines() -> Emit:
    """A subscriber that writes each event as one line, with the request id and task id of its context."""
    log: FilteringBoundLogger = structlog.get_logger().bind()

    def emit(name: str, facts: Mapping[str, object]) -> None:
        level = level_of(name, facts)
        if log.is_enabled_for(level):
            known = {_key(key, value): _plain(value) for key, value in facts.items() if key not in NEVER_WRITTEN}
            log.log(level, name, **known)

    return emit


def level_of(name: str, facts: Mapping[str, object]) -> int:
    """The level of an event; that of an attempt's one line follows its outcome: only a person revives what failed."""
    if name != "task.settled":
        return LEVELS.get(name, INFO)
    outcome = facts.get("outcome")
    if outcome == "failed":
        return ERROR
    return WARNING if outcome != "completed" and facts.get("reason") in COPED_WITH else INFO


def _key(key: str, value: object) -> str:
    """A number carries its unit; ``event`` and ``level`` are the line's own."""
    if isinstance(value, timedelta):
        return f"{key}_seconds"
    return f"{key}_" if key in ("event", "level", "timestamp") else key


def _plain(value: object) -> object:
    match value:
        case str() | bool() | int() | float() | None:
            return value
        case timedelta():
            return round(value.total_seconds(), 6)
        case datetime():
            return value.isoformat()
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _:
            return str(value)
