"""Somebody's workers and what fills their queue, as commands in an environment of their own."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness.places import Env, Place
from benchmarks.harness.plan import Contestant, Figures, Run
from benchmarks.harness.processes import Begun, answer, begun, environment, heard, python_module, running
from benchmarks.harness.tally import FOLDER, WATCHING
from benchmarks.harness.venvs import python_of

from tests.support.processes import eventually


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """A module that understands ``fill N`` and ``watch N PROCESSES``, and the command of its workers."""

    module: str
    place: Place
    venv: str | None = None
    """None: Duly's own environment."""
    work: tuple[str, ...] = ()
    """Module and arguments of one worker command; empty: the module's own ``work``."""
    commands: int = 1
    """So many worker commands are started."""
    processes: int = 2
    """So many processes then run handlers."""
    env: Mapping[str, str] = field(default_factory=dict)

    def say(self, env: Env, *words: object) -> Any:
        """Run the module with these words, to its end: what it answers."""
        python = None if self.venv is None else python_of(self.venv)
        return answer(python_module(python, self.module, *map(str, words)), env)

    @contextmanager
    def saying(self, env: Env, *words: object) -> Iterator[Begun]:
        """The same, begun: see ``heard``."""
        python = None if self.venv is None else python_of(self.venv)
        with begun(python_module(python, self.module, *map(str, words)), env) as process:
            yield process

    @contextmanager
    def watching(self, env: Env, *words: object) -> Iterator[Begun]:
        """The same for what looks at the counts, once it looks: before, nothing is to begin."""
        looks = Path(env[FOLDER]) / WATCHING
        looks.unlink(missing_ok=True)
        with self.saying(env, *words) as watch:
            eventually(lambda: looks.exists() or watch.process.poll() is not None, 120)
            yield watch

    @contextmanager
    def at(self, folder: Path) -> Iterator[Env]:
        """Its place, and the environment of all its commands."""
        tally = folder / "tally"
        tally.mkdir()
        with self.place(folder) as own:
            yield environment(**own, **self.env, **{FOLDER: str(tally)})

    @contextmanager
    def working(self, env: Env, folder: Path) -> "Iterator[list[Any]]":
        """Its workers, started."""
        python = None if self.venv is None else python_of(self.venv)
        module, *arguments = self.work or (self.module, "work")
        command = python_module(python, module, *arguments)
        with ExitStack() as stack:
            yield [
                stack.enter_context(running(command, env, folder / f"worker-{number}.log"))
                for number in range(self.commands)
            ]


def drained(crew: Crew, full: int, run: Run) -> Figures:
    """Tasks are stored first; then the workers are started. Raises unless every outcome is stored."""
    tasks = run.size(full, 200)
    with crew.at(run.folder) as env:
        crew.say(env, "fill", tasks)
        with crew.watching(env, "watch", tasks, crew.processes) as watch, crew.working(env, run.folder) as workers:
            seen = heard(watch, workers)
    if seen["stored"] != tasks:
        raise RuntimeError(f"{seen['stored']} outcomes of {tasks} tasks")
    again = seen["called"] - tasks
    return {"tasks/s": seen["tasks"] / seen["seconds"], **({"handlers called again": again} if again else {})}


def drain(name: str, crew: Crew, full: int, how: str, keeps: str) -> Contestant:
    """A contestant that drains."""
    venvs = () if crew.venv is None else (crew.venv,)
    return Contestant(name=name, how=how, keeps=keeps, measure=partial(drained, crew, full), venvs=venvs)
