"""Duly as the first process of a container, to which the kernel gives no signal that it does not take itself."""

import subprocess
import sys

import pytest

TOLD_EARLY = """
import os, signal
from duly.cli import main

me = os.getpid()
os.getpid = lambda: 1
main.build = lambda _: os.kill(me, signal.SIGTERM)
main.main(["worker", "app:duly"])
"""


@pytest.mark.mistake(43)
def test_a_first_process_that_is_told_to_end_while_it_imports_its_command_ends() -> None:
    """It went on as if nothing had been said, claimed tasks, and was killed with them in the end."""
    told = subprocess.run([sys.executable, "-c", TOLD_EARLY], check=False, capture_output=True, timeout=60)

    assert (told.returncode, told.stderr) == (128 + 15, b"")
