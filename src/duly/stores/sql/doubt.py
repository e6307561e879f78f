"""Which idle connections are not tried any more: where one gave no answer and no other did meanwhile, all are dead.

A wire that carries nothing any more says nothing either. Without this, each idle connection that it left behind would
cost somebody the whole time limit of a call, one after the other, long after new connections are answered again.
Where others are answered the database is slow, and not away: to open all connections anew would make it slower still.
"""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Pool, event
from sqlalchemy.exc import DisconnectionError

HEARD = "heard"

StillOpen = Callable[[Any], bool]
"""Whether the driver's connection is open, as far as it can be told."""

Cut = Callable[[Any], None]
"""Ends the driver's connection without a word: a good-bye on a dead one is waited for."""


class Doubt:
    """Shared by all that is connected to one database."""

    def __init__(self) -> None:
        self._since = self._heard = float("-inf")

    def heard(self) -> float:
        """A call was answered just now. Returns when that is (monotonic)."""
        self._heard = time.monotonic()
        return self._heard

    def cast(self, began: float) -> None:
        """A call that began then had no answer within its time."""
        if self._heard < began:
            self._since = began

    def covers(self, heard: float) -> bool:
        """Whether a connection that was last heard of then is not to be used."""
        return heard < self._since

    def watch(self, pool: Pool, still_open: StillOpen, cut: Cut) -> None:
        """Have the pool open another connection instead of a doubtful or closed one."""

        def note(connection: object, record: Any) -> None:
            if connection is not None:  # else it was given up
                record.info[HEARD] = self.heard()

        def judge(connection: object, record: Any, _proxy: object) -> None:
            heard = record.info.get(HEARD)
            if heard is None:
                return  # it is new
            if self.covers(heard):
                cut(connection)
            elif still_open(connection):
                return
            raise DisconnectionError

        event.listen(pool, "checkin", note)
        event.listen(pool, "checkout", judge)
