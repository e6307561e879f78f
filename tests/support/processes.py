"""Real processes for tests, and waiting for what they do."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def running(*command: str, cwd: Path, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python process with these arguments; killed at the end if it still runs. Its output is one stream."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def eventually(true: Callable[[], object], within: float = 120) -> None:
    """Wait until it is true; fail when it is not in time."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"{true} did not become true within {within} s"
        time.sleep(0.02)


def standing_still(pid: int) -> bool:
    """Whether all its threads have been stopped: the signal arrives a little later than it was sent."""
    threads = list(Path(f"/proc/{pid}/task").glob("*/stat"))
    if not threads:  # a system without them
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    try:
        states = [thread.read_text().rpartition(")")[2].split()[0] for thread in threads]
    except (FileNotFoundError, ProcessLookupError):  # one has ended since: so they still run
        return False
    return set(states) == {"T"}
