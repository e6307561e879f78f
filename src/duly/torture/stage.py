"""What faults work on, and what a fault is."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from duly.torture.house import House
from duly.torture.links import Link
from duly.torture.load import Load
from duly.torture.plan import Plan
from duly.torture.records import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A service at work."""

    plan: Plan
    folder: Path
    house: House
    links: Sequence[Link]
    load: Load
    random: Random
    store_url: str
    """The store's address as Duly has it."""
    disk: Path | None = None
    """A small file system of its own that the store's file is on."""

    @property
    def sqlite(self) -> Path | None:
        """The store's file, where it is one."""
        return Path(self.store_url.removeprefix("sqlite:///")) if self.store_url.startswith("sqlite") else None

    @property
    def store(self) -> Link | None:
        """None: it is a file."""
        return next((link for link in self.links if "store" in link.parts), None)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault on one target. ``inflict`` returns when all was given back, with what there is to tell."""

    name: str
    scenario: str
    inflict: Callable[[], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Barred:
    """A fault that is not possible here."""

    name: str
    why: str
