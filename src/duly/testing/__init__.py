"""What tests of handlers need: an in-memory Duly and a clock that the test moves."""

from duly.testing.bench import Bench, bench
from duly.testing.clock import FakeClock

__all__ = ["Bench", "FakeClock", "bench"]
