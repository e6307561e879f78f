"""A process that a handler has forked, and that came back out of the handler as if it were the worker."""

import os


class _Process:
    forks = 0
    """How often it, and those that it comes from, were forked: another number in a copy, at no call of the system."""


def _forked() -> None:
    _Process.forks += 1


os.register_at_fork(after_in_child=_forked)


def lineage() -> int:
    """Which copy this is: ask before the handler is called."""
    return _Process.forks


def end_if_copied(home: int) -> None:
    """End this process at once, unless it is still the one of this lineage.

    A forked process that does not end in the handler (what it was to start is not there, say) has the worker's
    connections, its claims and its event loop: it would read answers and orders that are meant for the worker.
    """
    if _Process.forks != home:
        os._exit(1)
