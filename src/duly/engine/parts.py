"""What the engine's facade stands on."""

from dataclasses import dataclass
from datetime import timedelta

from duly.engine.handlers import Handlers
from duly.engine.herald import Herald
from duly.engine.ids import Ids
from duly.engine.limits import Limits
from duly.engine.lists import Lists
from duly.engine.meter import Meter
from duly.engine.reads import Reads
from duly.ports.bell import Bell
from duly.ports.store import Store
from duly.ports.telemetry import Tracing


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What ``Tasks`` is made of."""

    store: Store
    reads: Reads
    bell: Bell
    herald: Herald
    handlers: Handlers
    limits: Limits
    ids: Ids
    meter: Meter
    patience: timedelta
    """How long a submit goes on trying while the database is away."""
    poll_interval: timedelta
    lists: Lists | None = None
    """Answers lists in the store's stead."""
    tracing: Tracing | None = None
