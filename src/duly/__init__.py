"""Duly: accepted at once, duly done."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duly.api.host import use_problem_details
    from duly.app import Duly
    from duly.domain.retry import Fail, Retry, RetryAfter, Snooze
    from duly.domain.state import State
    from duly.engine.context import Context
    from duly.handle import Handle
    from duly.handler import Handler
    from duly.settings import Settings
    from duly.starting import use_log, use_request_ids

    __version__: str

__all__ = [
    "Context",
    "Duly",
    "Fail",
    "Handle",
    "Handler",
    "Retry",
    "RetryAfter",
    "Settings",
    "Snooze",
    "State",
    "__version__",
    "use_log",
    "use_problem_details",
    "use_request_ids",
]

_HOMES = {
    "Context": "duly.engine.context",
    "Duly": "duly.app",
    "Fail": "duly.domain.retry",
    "Handle": "duly.handle",
    "Handler": "duly.handler",
    "Retry": "duly.domain.retry",
    "RetryAfter": "duly.domain.retry",
    "Settings": "duly.settings",
    "Snooze": "duly.domain.retry",
    "State": "duly.domain.state",
    "use_log": "duly.starting",
    "use_problem_details": "duly.api.host",
    "use_request_ids": "duly.starting",
}
"""Where each name lives. It is imported when first asked for: a client needs no store, a worker no web framework."""


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = import_module("importlib.metadata").version("duly")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'duly' has no attribute {name!r}")
    globals()[name] = value
    return value
