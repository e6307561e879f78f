"""Planted: a worker takes the broker's word for the truth: what it acknowledged and did not claim, nobody finds."""

from duly.engine.intake import Intake
from duly.engine.relay import Relay
from duly.torture.app import duly

__all__ = ["duly"]

look = Intake._look


async def nobody_looks(self):
    return await look(self) if self._hints is None else self._rest()


async def nothing_again(_):
    return 0


def rest(self):
    self._looking = False
    return False


Intake._look = nobody_looks
Intake._rest = rest
Relay.step = nothing_again
