"""Everything that the HTTP surface may use, in one place."""

import asyncio
from dataclasses import dataclass, field

from duly.engine.handlers import Handlers
from duly.engine.identity import Access
from duly.engine.limits import Limits
from duly.engine.overview import Overview
from duly.engine.quotas import Quotas
from duly.engine.survey import Survey
from duly.engine.tasks import Tasks
from duly.ports.broker import Announcer
from duly.ports.cache import Cache
from duly.ports.store import Store
from duly.ports.telemetry import Tally


@dataclass(frozen=True, slots=True)
class Service:
    """One open Duly. ``tasks.run`` is running for as long as it is open, and ``failed`` is not set."""

    tasks: Tasks
    overview: Overview
    handlers: Handlers
    store: Store
    limits: Limits
    broker: Announcer | None = None
    cache: Cache | None = None
    access: Access | None = None
    """None: nobody is asked who they are."""
    quotas: Quotas | None = None
    tally: Tally | None = None
    """Counts what the surface answers; None: nothing does."""
    survey: Survey | None = None
    """Gives all figures to whoever scrapes; None: nobody may."""
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    """What runs behind it has ended by a fault: nothing more can be done with it."""
