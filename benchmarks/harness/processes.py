"""Processes of contestants: started, told to end, and what they used."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

ROOT = Path(__file__).parents[2]
ENDING = 20
"""Seconds that a process has to end by itself."""


def environment(**own: str) -> dict[str, str]:
    """The caller's, without any setting of Duly, and with this checkout first on the path."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("DULY_")}
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return {**others, "PYTHONPATH": path, "DULY_LOG_LEVEL": "error", **own}


def python_module(python: Path | None, module: str, *arguments: str) -> list[str]:
    """The command; without an interpreter named, Duly's own."""
    return [str(python or sys.executable), "-m", module, *arguments]


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in a group of its own, which is ended as a whole."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command), cwd=ROOT, env=dict(env), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        _end(process)


def answer(command: Sequence[str], env: Mapping[str, str]) -> Any:
    """The last line of what it prints, as JSON. Raises, with what it said, when it fails."""
    with begun(command, env) as process:
        return heard(process)


@dataclass(frozen=True, slots=True)
class Begun:
    """A command that runs. It speaks into files, which it cannot fill as it could a pipe."""

    process: "subprocess.Popen[bytes]"
    said: IO[bytes]
    complaint: IO[bytes]

    def text(self, file: IO[bytes]) -> str:
        """What it wrote there."""
        file.seek(0)
        return file.read().decode(errors="replace")


@contextmanager
def begun(command: Sequence[str], env: Mapping[str, str]) -> Iterator[Begun]:
    """A command whose answer is wanted later; ended if it was not heard."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaint:
        process = subprocess.Popen(list(command), cwd=ROOT, env=dict(env), stdout=said, stderr=complaint)
        try:
            yield Begun(process, said, complaint)
        finally:
            process.kill()
            process.wait()


def heard(one: Begun, others: Sequence["subprocess.Popen[bytes]"] = ()) -> Any:
    """The last line of what it printed, as JSON, at its end. Raises when it fails, or one of the others ends first."""
    while one.process.poll() is None:
        for other in others:
            if other.poll() is not None:
                raise RuntimeError(f"{' '.join(map(str, other.args))} ended with {other.returncode}; see its log")
        time.sleep(0.02)
    said, complaint = one.text(one.said), one.text(one.complaint)
    if one.process.returncode:
        command = " ".join(map(str, one.process.args))
        raise RuntimeError(f"{command} failed:\n{said[-2000:]}\n{complaint[-4000:]}")
    lines = said.strip().splitlines()
    return json.loads(lines[-1]) if lines else None


def cpu_seconds(process: "subprocess.Popen[bytes]") -> float:
    """Processor time of the process and all that it started, so far."""
    return sum(_cpu(one) for one in _family(process))


def cpu_seconds_of_backends(database: str) -> float:
    """Processor time of PostgreSQL's processes that serve this database now; 0 when the server is on another machine.

    They say which one in their titles. What the server does for all (writing its log, checkpoints, vacuum) is left out.
    """
    titles = ((one, " ".join(one.info["cmdline"] or ())) for one in psutil.process_iter(["cmdline"]))
    served = (one for one, title in titles if title.startswith("postgres:") and f" {database} " in title)
    return sum(map(_cpu, served))


def megabytes(process: "subprocess.Popen[bytes]") -> float:
    """Memory of the process and all that it started, now: what is its own alone (USS)."""
    total = 0.0
    for one in _family(process):
        with suppress(psutil.Error):
            total += one.memory_full_info().uss / 2**20
    return total


def _family(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    with suppress(psutil.Error):
        head = psutil.Process(process.pid)
        return [head, *head.children(recursive=True)]
    return []


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDING)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
