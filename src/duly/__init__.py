"""Duly: accepted at once, duly done."""

from importlib.metadata import version

from duly.api.host import use_problem_details
from duly.app import Duly
from duly.domain.retry import Fail, Retry, RetryAfter, Snooze
from duly.domain.state import State
from duly.engine.context import Context
from duly.handle import Handle
from duly.handler import Handler
from duly.settings import Settings
from duly.starting import use_log, use_request_ids

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
    "use_log",
    "use_problem_details",
    "use_request_ids",
]
