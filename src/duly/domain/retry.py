"""When a failed attempt is tried again, and how a handler says so itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from duly.domain.errors import Misconfigured

LONGEST_WAIT = timedelta(days=365)
"""No wait before a retry is longer, whatever the policy's arithmetic says."""


class Fail(Exception):
    """Raise it in a handler: the task fails now and is not retried."""


class RetryAfter(Exception):
    """Raise it in a handler: this attempt failed; try again after this delay if the budget allows."""

    def __init__(self, delay: timedelta | float, message: str = "") -> None:
        self.delay = seconds(delay)
        super().__init__(message or f"retry after {self.delay}")


class Snooze(Exception):
    """Raise it in a handler: not now. The task waits this long, and it costs no attempt of its budget."""

    def __init__(self, delay: timedelta | float) -> None:
        self.delay = seconds(delay)
        super().__init__(f"snoozed for {self.delay}")


def seconds(delay: timedelta | float) -> timedelta:
    """A delay given as a number of seconds or as a timedelta, never negative and never over LONGEST_WAIT."""
    if isinstance(delay, timedelta):
        return min(max(delay, timedelta()), LONGEST_WAIT)
    return timedelta(seconds=min(max(delay, 0.0), LONGEST_WAIT.total_seconds()))


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how soon a failed task is tried again.

    The wait before retry n (n = 1 after the first failure) is drawn evenly from zero to
    ``min(longest, initial * factor ** (n - 1))``: exponential back-off with full jitter, after
    "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). With ``jitter=False`` it is that bound itself.
    """

    max_attempts: int = 5
    """Attempts that may fail by the handler's fault, the first included."""
    initial: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    longest: timedelta = timedelta(minutes=10)
    jitter: bool = True
    never: tuple[type[BaseException], ...] = ()
    """Exceptions that no retry can mend: the task fails at once."""
    rules: Mapping[type[BaseException], "Retry"] = field(default_factory=dict[type[BaseException], "Retry"])
    """Other policies for these exceptions and their subclasses; the most special class decides."""

    def __post_init__(self) -> None:
        factor_fits = 1 <= self.factor < float("inf")
        if self.max_attempts < 1 or not factor_fits or self.initial < timedelta() or self.longest < timedelta():
            raise Misconfigured("Retry needs max_attempts >= 1, a finite factor >= 1 and waits that are not negative.")

    def for_error(self, error: BaseException) -> "Retry":
        """The policy that decides about this error: the rule of its most special class, or this one."""
        for cls in type(error).__mro__:
            if cls in self.rules:
                return self.rules[cls]
        return self

    def wait(self, failures: int, fraction: float) -> timedelta:
        """The wait after this many failures; ``fraction``, drawn evenly from [0, 1), is the jitter's luck."""
        bound = self._bound(max(failures, 1))
        return bound * fraction if self.jitter else bound

    def _bound(self, failures: int) -> timedelta:
        longest = min(self.longest, LONGEST_WAIT)
        if not self.initial:
            return self.initial
        try:
            grown = self.initial.total_seconds() * float(self.factor) ** (failures - 1)
            return min(timedelta(seconds=grown), longest)
        except OverflowError:
            return longest
