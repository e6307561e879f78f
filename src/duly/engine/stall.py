"""An event loop that stands still: the stack that blocks it is told, and in the end the process is ended."""

import faulthandler
import os
import sys
import threading
import time
import traceback
from datetime import timedelta

from duly.ports.telemetry import Emit

EXIT_STALLED = 70
"""EX_SOFTWARE: the supervisor starts another process."""


class StallWatch:
    """The loop calls ``beat`` a few times a second; another thread calls ``look``.

    Time in which the whole process stood still (SIGSTOP, a paused machine) does not count: between two looks at most
    two of their usual intervals are counted.
    """

    def __init__(self, *, warn_after: timedelta, end_after: timedelta, emit: Emit) -> None:
        self._warn_after = warn_after.total_seconds()
        self._end_after = end_after.total_seconds()
        self._emit = emit
        self._thread_id = threading.get_ident()
        self._beats = 0
        self._seen_beats = 0
        self._seen_at = time.monotonic()
        self._stalled = 0.0
        self._warn_at = self._warn_after

    def beat(self) -> None:
        """The loop moves. Called in its thread."""
        self._thread_id = threading.get_ident()
        self._beats += 1

    def look(self) -> None:
        """See whether the loop has moved since the last look; call about once a second, from another thread."""
        now = time.monotonic()
        passed, self._seen_at = min(now - self._seen_at, 2.0), now
        if self._beats != self._seen_beats:
            self._seen_beats = self._beats
            self._stalled, self._warn_at = 0.0, self._warn_after
            return
        self._stalled += passed
        if self._stalled >= self._end_after:
            self._end()
        if self._stalled >= self._warn_at:
            self._warn_at = self._stalled * 2
            self._emit("loop.stalled", {"seconds": round(self._stalled, 1), "stack": self._stack()})

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001  # the only way to another thread's stack
        return "" if frame is None else "".join(traceback.format_stack(frame))

    def _end(self) -> None:
        self._emit("loop.dead", {"seconds": round(self._stalled, 1), "stack": self._stack()})
        faulthandler.dump_traceback(all_threads=True)
        os._exit(EXIT_STALLED)
