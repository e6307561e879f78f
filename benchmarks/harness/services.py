"""Services over HTTP: Duly's, and the stacks that people build."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from benchmarks.harness.crews import Crew
from benchmarks.harness.places import Env
from benchmarks.harness.plan import Figures
from benchmarks.harness.processes import answer, cpu_seconds, python_module, running
from benchmarks.harness.venvs import python_of

from tests.support.processes import eventually
from tests.support.service import free_port

CONNECTIONS = 64
SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An API: the command that serves it, and how it is spoken to."""

    crew: Crew
    """Its tables, its workers, and what counts its rows."""
    serve: tuple[str, ...]
    """Module and arguments; ``{port}`` and ``{processes}`` are filled in."""
    path: str
    """Where tasks are submitted, and, with an id, looked at."""
    body: Mapping[str, Any]
    batch_path: str = ""

    @contextmanager
    def serving(self, env: Env, folder: Path, processes: int) -> Iterator["Api"]:
        """Its API, once it answers."""
        port = free_port()
        python = None if self.crew.venv is None else python_of(self.crew.venv)
        module, *arguments = (word.format(port=port, processes=processes) for word in self.serve)
        with running(python_module(python, module, *arguments), env, folder / "api.log") as process:
            api = Api(f"http://127.0.0.1:{port}", process, folder)
            eventually(lambda: process.poll() is not None or api.answers(), 60)
            if process.poll() is not None:
                raise RuntimeError((folder / "api.log").read_text()[-4000:])
            yield api


@dataclass(frozen=True, slots=True)
class Api:
    """An API that runs."""

    url: str
    process: Any
    folder: Path

    def answers(self) -> bool:
        """Whether it speaks HTTP."""
        try:
            return httpx.get(f"{self.url}/openapi.json", timeout=5).status_code > 0
        except httpx.HTTPError:
            return False

    def warm_up(self, path: str, body: object, seconds: float, width: int = CONNECTIONS) -> None:
        """The same before anything is measured; whatever comes of it."""
        self._wrk(self._body(path, body), max(3, seconds), width)

    def post(self, path: str, body: object, seconds: float, width: int = CONNECTIONS) -> Figures:
        """The same body again and again."""
        return self._loaded(self._body(path, body), seconds, width)

    def get(self, path: str, ids: Path, seconds: float) -> Figures:
        """Each id in turns."""
        return self._loaded({"BENCH_PATH": path, "BENCH_IDS": str(ids)}, seconds, CONNECTIONS)

    def _body(self, path: str, body: object) -> Mapping[str, str]:
        file = self.folder / "body.json"
        file.write_text(json.dumps(body, separators=(",", ":")))
        return {"BENCH_PATH": path, "BENCH_BODY": str(file)}

    def _loaded(self, env: Mapping[str, str], seconds: float, width: int) -> Figures:
        """Raises when an answer was no success."""
        before = cpu_seconds(self.process)
        seen = self._wrk(env, seconds, width)
        if seen["bad"] or not seen["requests"]:
            raise RuntimeError(f"{seen['bad']} bad answers of {seen['requests']}")
        cpu = cpu_seconds(self.process) - before
        return {
            "requests": seen["requests"],
            "requests/s": seen["requests"] / seen["seconds"],
            "p50 ms": seen["p50"],
            "p99 ms": seen["p99"],
            "API CPU µs/request": cpu / seen["requests"] * 1e6,
        }

    def _wrk(self, env: Mapping[str, str], seconds: float, width: int) -> Any:
        wrk = shutil.which("wrk")
        if wrk is None:
            raise SystemExit("wrk makes the load and is not installed: apt-get install wrk")
        how = ("-t1", f"-c{width}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(SCRIPT))
        return answer([wrk, *how, self.url], {**os.environ, **env})
