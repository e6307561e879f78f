"""How the grace is divided: the time from the word to stop until the process is gone, while its database answers."""

from dataclasses import dataclass
from datetime import timedelta

from duly.engine.call import COOPERATION

LONGEST_REST = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Grace:
    """What runs goes on, then is told to end; what does not is left behind. Then all is put back and closed."""

    whole: timedelta

    @property
    def work(self) -> timedelta:
        """So long what runs goes on, before it is told to end."""
        return self.whole - self._rest

    @property
    def cooperation(self) -> timedelta:
        """So long after that nobody is left behind: what is left is for putting back and closing."""
        return min(COOPERATION, self._rest * 0.4)

    @property
    def _rest(self) -> timedelta:
        return min(LONGEST_REST, self.whole / 2)
