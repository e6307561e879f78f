"""An example, started as its README says: real processes, in a copy of its folder, on parts that a test gives it."""

import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.docs.pages import ROOT, Block, blocks, contains
from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import Running

SECONDS = 60
"""So long may a part take to start, or a line of a README to end."""


class Part(Running):
    """A process of the example, with its children."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """At once, and all its children with it, as a lost machine."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    @contextmanager
    def standing_still(self) -> Iterator[Callable[[], None]]:
        """It and its children do nothing until what is yielded is called, or this ends."""
        os.killpg(self.pid, signal.SIGSTOP)
        try:
            yield self._go_on
        finally:
            self._go_on()

    def _go_on(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)


@dataclass(frozen=True)
class Example:
    """A copy of an example's folder, and the environment in which its commands are typed there."""

    folder: Path
    env: Mapping[str, str]

    @contextmanager
    def started(self, command: str, says: str = "", **env: str) -> Iterator[Part]:
        """This command line, once it has said these words; killed at the end with all its children."""
        log = self.folder.parent / f"{self.folder.name}-{len(list(self.folder.parent.glob('*.log')))}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env={**self.env, **env},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        part = Part(process, log)
        try:
            eventually(lambda: part.said(says) or process.poll() is not None, SECONDS)
            assert part.said(says), log.read_text()
            yield part
        finally:
            part.kill()

    @contextmanager
    def serving(self, command: str, ready: str = "/health/ready", **env: str) -> Iterator[httpx.Client]:
        """This command line, with ``{port}`` in it, once that path is answered with 200. Yields a client of it."""
        port = free_port()
        with (
            self.started(command.format(port=port), **env) as part,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client,
        ):
            eventually(lambda: _answers(client, ready) or part.process.poll() is not None, SECONDS)
            assert part.process.poll() is None, part.log.read_text()
            yield client

    def typed(self, command: str, *, within: float = SECONDS, **env: str) -> str:
        """What these shell lines print on their standard output. They must all succeed, within so many seconds."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env={**self.env, **env},
            timeout=within,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def follow_readme(self, shown: str, url: str | httpx.URL, **env: str) -> int:
        """Type the ``sh curl`` blocks of the README, with the address it shows exchanged for the real one.

        The ``json answer`` block after one has to be in what its last line printed. Returns how many were typed.
        """
        count, printed = 0, ""
        for block in self.blocks("sh", "json"):
            if "curl" in block.marks:
                count, printed = count + 1, self.typed(block.text.replace(shown, str(url).rstrip("/")), **env)
            elif "answer" in block.marks:
                answer = printed.strip().rpartition("\n")[2]
                assert contains(json.loads(answer), json.loads(block.text)), f"{block}:\n{printed}"
        return count

    def blocks(self, *languages: str) -> list[Block]:
        """The README's."""
        return [
            block for block in blocks(*languages) if block.page == ROOT / "examples" / self.folder.name / "README.md"
        ]


def an_example(name: str, folder: Path, **env: str) -> Example:
    """A copy of ``examples/<name>`` in the folder; no setting of the tests' own environment gets into its processes."""
    copy = folder / name
    shutil.copytree(ROOT / "examples" / name, copy, ignore=shutil.ignore_patterns(".env", "__pycache__", "*.db"))
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DULY_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
    return Example(copy, {**clean, "PATH": path, "PYTHONUNBUFFERED": "1", **env})


def settled(client: httpx.Client, path: str, *words: str, within: float = SECONDS) -> dict[str, Any]:
    """What is answered at the path, once its ``status`` is one of these words."""
    answers: list[dict[str, Any]] = []
    eventually(partial(_has_come_to, client, path, words, answers), within)
    return answers[-1]


def quickest_median(submit: Callable[[], object], enough: float) -> float:
    """The median time of a call, in seconds, in the quickest of some rounds: the machine does much else besides.

    There are no more rounds than are needed to be quick enough.
    """
    medians = [float("inf")]
    for _ in range(24):
        if medians[-1] >= enough:
            medians.append(statistics.median(_time(submit) for _ in range(20)))
    return min(medians)


def _time(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _has_come_to(client: httpx.Client, path: str, words: tuple[str, ...], answers: list[dict[str, Any]]) -> bool:
    answers.append(client.get(path).json())
    return answers[-1]["status"] in words


def _answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
