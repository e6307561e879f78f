"""A nudge ends a wait."""

import asyncio
import threading

from duly.engine.nudge import Nudge


async def test_a_nudge_ends_a_wait_and_one_between_two_waits_is_kept() -> None:
    nudge = Nudge()
    loop = asyncio.get_running_loop()
    began = loop.time()
    nudge.give()
    await nudge.wait(120)
    threading.Timer(0.01, nudge.give).start()
    await nudge.wait(120)
    between = loop.time() - began
    await nudge.wait(0.01)

    assert between < 60
