"""Whether anybody waits for tasks: where nobody does, their ends are rung nowhere.

A ring wakes whoever listens to the server, whatever he listens for, and every settle would ring. So each process that
has somebody who waits says so, now and then, and when one that has just come asks.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Lock

from duly.ports.bell import TASKS

SAY_EVERY = 9.0
BELIEVE = 30.0
"""In seconds."""

SAID = "?here"
ASKED = "?where"
SIGNALS = frozenset({SAID, ASKED})
"""Sent like topics, by one bell to the others."""


class Waiters:
    """Those here, and whether there are any elsewhere. From any thread."""

    def __init__(self, send: Callable[[Collection[str]], None], now: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._now = now
        self._lock = Lock()
        self._here = 0
        self._said_at = float("-inf")
        self._believed_until = float("-inf")

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Somebody waits here, until the context closes."""
        with self._lock:
            self._here += 1
        self.say()
        try:
            yield
        finally:
            with self._lock:
                self._here -= 1

    def say(self, *, anew: bool = False) -> None:
        """Tell the others, if there is somebody here and they were not told a moment ago; ``anew``: even then."""
        with self._lock:
            now = self._now()
            if not self._here or (now - self._said_at < SAY_EVERY and not anew):
                return
            self._said_at = now
        self._send([SAID])

    def ask(self) -> None:
        """Nothing is known of the others any more: have them say it. They are told of those here, too."""
        self._send([ASKED])
        self.say(anew=True)

    def hear(self, topics: Collection[str]) -> None:
        """What another bell has sent."""
        if SAID in topics:
            self._believed_until = self._now() + BELIEVE
        if ASKED in topics:
            self.say(anew=True)

    def worth_sending(self, topics: Collection[str]) -> Collection[str]:
        """Those that somebody elsewhere may listen for."""
        if self._now() < self._believed_until:
            return topics
        return [topic for topic in topics if not topic.startswith(TASKS)]
