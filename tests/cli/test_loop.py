import gc
import sys
from threading import Thread

import pytest

from duly.cli.loop import TURN, run_loop


@pytest.fixture
def settings_of_the_interpreter():
    turn, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(turn)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.mark.usefixtures("settings_of_the_interpreter")
def test_a_thread_that_computes_gives_way_to_the_loop_soon():
    turns = []

    async def main():
        Thread(target=lambda: turns.append(sys.getswitchinterval())).start()

    run_loop(main())

    assert turns == [pytest.approx(TURN)]
