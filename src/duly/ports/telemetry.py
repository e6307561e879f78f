"""How the engine tells what happens."""

from collections.abc import Callable, Mapping

Emit = Callable[[str, Mapping[str, object]], None]
"""Takes the name of a domain event (``task.settled``) and its facts. Called from any thread; never waits or raises."""
