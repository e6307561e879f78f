"""How processes of handlers begin: anew, with nothing of their parent's."""

import psutil
import pytest

from duly.domain.state import State
from tests.engine import work
from tests.support.stage import at_work


@pytest.mark.mistake(19)
async def test_a_process_of_a_handler_is_started_anew_and_not_forked():
    async with at_work(work.duly.handlers, slots=1) as stage:
        task = await stage.ran("act")
        lines = [" ".join(child.cmdline()) for child in psutil.Process().children() if child.is_running()]

    assert task.state is State.COMPLETED
    assert any("multiprocessing.spawn" in line for line in lines)
    assert not any("pytest" in line for line in lines)
