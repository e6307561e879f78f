"""Duly: accepted at once, duly done."""

from importlib.metadata import version

from duly.app import Duly
from duly.domain.retry import Fail, Retry, RetryAfter, Snooze
from duly.domain.state import State
from duly.engine.context import Context
from duly.handle import Handle
from duly.handler import Handler
from duly.settings import Settings

__version__ = version("duly")

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
]
