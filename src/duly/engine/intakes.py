"""The two intakes of a worker: its own, and that of Duly's own queue."""

import asyncio
from typing import Protocol


class Intaking(Protocol):
    """How tasks come to a worker."""

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        ...

    @property
    def started(self) -> int:
        """Attempts started since the beginning."""
        ...

    def close(self) -> None:
        """Claim no more."""
        ...

    async def run(self) -> None:
        """Claim and start attempts until closed; then wait for those that run."""
        ...


class Intakes:
    """Both at once, with slots of their own: slow receivers of callbacks take none from the users' tasks."""

    def __init__(self, own: Intaking, system: Intaking) -> None:
        self._own = own
        self._system = system

    @property
    def busy(self) -> int:
        """Of the worker's own slots."""
        return self._own.busy

    @property
    def started(self) -> int:
        """See Intaking."""
        return self._own.started + self._system.started

    def close(self) -> None:
        """See Intaking."""
        self._own.close()
        self._system.close()

    async def run(self) -> None:
        """See Intaking."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._own.run())
            group.create_task(self._system.run())
