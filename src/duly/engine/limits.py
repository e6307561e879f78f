"""How large things may be."""

from dataclasses import dataclass, field
from datetime import timedelta

from duly.engine.callback_rules import CallbackRules

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes of JSON text, counts and times."""

    max_body: int = MEBIBYTE
    """One HTTP body, and so one payload."""
    max_result: int = MEBIBYTE
    max_batch_items: int = 1_000
    max_pending: int = 0
    """Pending tasks of one queue, about; 0: any number."""
    max_streams: int = 5_000
    """Event streams that one process keeps open."""
    max_streams_each: int = 500
    """Of these, those of one identity, where clients are asked who they are."""
    callbacks: CallbackRules = field(default_factory=CallbackRules)
    timeout: timedelta = timedelta(hours=1)
    """For an attempt, where neither the task nor its type says otherwise."""
