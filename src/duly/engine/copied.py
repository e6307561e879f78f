"""A process that a handler has forked, and that came back out of the handler as if it were the worker."""

import os


def end_if_copied(home: int) -> None:
    """End this process at once, unless it has this id.

    A forked process that does not end in the handler (what it was to start is not there, say) has the worker's
    connections, its claims and its event loop: it would read answers and orders that are meant for the worker.
    """
    if os.getpid() != home:
        os._exit(1)
