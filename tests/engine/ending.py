"""What tests of ends share."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from duly.domain.retry import Retry
from duly.engine.handlers import Handlers
from tests.support.serving import a_type

SHORT = timedelta(milliseconds=50)


class Signals:
    """Between a test and a handler, whichever thread that runs in."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.ended = threading.Event()

    async def until(self, event: threading.Event) -> None:
        assert await asyncio.to_thread(event.wait, 20)

    def deaf(self) -> None:
        """A handler for a thread that looks at nothing: it goes on until it is let."""
        self.begun.set()
        self.go.wait(20)


def once(body: Callable[..., Any], **given: Any) -> Handlers:
    """One type, "work", that is tried once."""
    handlers = Handlers()
    handlers.add(a_type("work", body, retry=Retry(max_attempts=1), **given))
    return handlers
