"""Receivers of callbacks that do not answer, so that they do not hold the slots of all others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 1_000
"""So many silent addresses are remembered; of more, none is, and each may be tried anew."""


class StillSilent(Exception):
    """The address let a call time out, has said nothing since, and is being called by somebody else."""


class SilentReceivers:
    """An address that let a call time out is called by one delivery at a time until it says something.

    Not the whole host: behind one name there may be the receivers of many.
    """

    def __init__(self) -> None:
        self._silent: set[str] = set()
        self._calls: Counter[str] = Counter()

    @contextmanager
    def calling(self, address: str) -> Iterator[None]:
        """Call it inside. A TimeoutError makes it silent, anything else is a sign of life. Raises StillSilent."""
        if address in self._silent and self._calls[address]:
            raise StillSilent("The address let the last call time out, and another delivery tries it now.")
        self._calls[address] += 1
        try:
            yield
        except TimeoutError:
            self._add(address)
            raise
        except Exception:
            self._silent.discard(address)
            raise
        else:
            self._silent.discard(address)
        finally:  # a cancel tells nothing of it
            self._calls[address] -= 1
            if not self._calls[address]:
                del self._calls[address]

    def _add(self, address: str) -> None:
        if len(self._silent) >= MOST:
            self._silent.clear()
        self._silent.add(address)
