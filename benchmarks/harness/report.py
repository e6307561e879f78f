"""Tables of the results, for people: on the terminal, and between the markers of the documentation."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import beyond, results
from benchmarks.harness.figures import shown
from benchmarks.harness.processes import ROOT
from benchmarks.harness.venvs import python_of
from benchmarks.plots import AXES

README = ROOT / "README.md"
PAGE = ROOT / "docs" / "performance.md"
BEYOND = ROOT / "docs" / "operate" / "beyond-one-machine.md"
PLOTS = ROOT / "docs" / "plots"
ELSEWHERE = {"other machine": "other-machine", "busy machine": "busy-machine"}
"""Folders of results beside those that count: the same commands on a machine of another kind, or in worse company."""

TOLD = {
    "aio-pika",
    "asyncpg",
    "awa-pg",
    "celery",
    "dramatiq",
    "fastapi",
    "huey",
    "oban",
    "pgqueuer",
    "procrastinate",
    "psycopg",
    "saq",
    "sqlalchemy",
    "taskiq",
    "taskiq-redis",
    "uvicorn",
}
"""Packages of the peers' environments whose versions are worth a word."""

BEGIN, END = "<!-- {name}: made by python -m benchmarks -->", "<!-- end of {name} -->"


def write_documents(names: Sequence[str], folder: Path = results.KEPT) -> None:
    """Make the marked blocks of the documentation anew."""
    for file, name, text in blocks(names, folder):
        replace(file, name, text)


def blocks(names: Sequence[str], folder: Path = results.KEPT) -> Sequence[tuple[Path, str, str]]:
    """File, name and text of each marked block."""
    found = list(results.all_of(folder, list(names)))
    return [
        (README, "figures", goals_table(list(map(_bounded, found)))),
        (PAGE, "figures", goals_table(found)),
        *[(PAGE, name, goals_table(list(results.all_of(folder / of, list(names))))) for name, of in ELSEWHERE.items()],
        (PAGE, "growth", plots(PLOTS)),
        (PAGE, "measurements", "\n\n".join(map(section, found)) or "Nothing was measured yet."),
        (BEYOND, "beyond", beyond.block(found)),
    ]


def _bounded(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what is only to be stated."""
    return {**result, "goals": [goal for goal in result["goals"] if (goal["least"], goal["most"]) != (None, None)]}


def draw(folder: Path) -> None:
    """Pictures of how it grows, if that was measured."""
    growth = folder / "growth.json"
    if growth.exists():
        subprocess.run([python_of("plots"), "-m", "benchmarks.plots", growth, PLOTS], cwd=ROOT, check=True)


def plots(folder: Path) -> str:
    """The pictures that are there."""
    drawn = {name: f"{folder.name}/{name}.svg" for name in AXES if (folder / f"{name}.svg").exists()}
    pictures = [f"![tasks/s against {AXES[name]}]({file})" for name, file in drawn.items()]
    return "\n\n".join(pictures) or "Nothing was drawn yet: `make bench B=growth`."


def replace(file: Path, name: str, text: str) -> None:
    """Put this between the markers of this name. Raises when they are not there."""
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, mark, rest = file.read_text().partition(begin)
    _, second, after = rest.partition(end)
    if not (mark and second):
        raise SystemExit(f"{file} has no {begin} ... {end}.")
    file.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def print_table(result: Mapping[str, Any]) -> None:
    """For the terminal."""
    print("\n" + figures_table(result))
    for goal in (goal for goal in result["goals"] if goal["met"] is not None):
        print(f"  {goal['of']}: {_measured(goal)} (goal {_bound(goal)})")
    print(flush=True)


def goals_table(found: Sequence[Mapping[str, Any]]) -> str:
    """Each goal with what was measured; a scenario's title stands before its first."""
    if not found:
        return "Nothing was measured yet: `make bench`."
    rows = ["| scenario | measured | goal | stretch | reached |", "| --- | --- | --- | --- | --- |"]
    for result in found:
        titles = [result["title"], *[""] * len(result["goals"])]
        rows += [_goal_row(title, goal) for title, goal in zip(titles, result["goals"], strict=False)]
    return "\n".join([*rows, "", _measured_on(found)])


def section(result: Mapping[str, Any]) -> str:
    """All about one scenario."""
    ways = [f"- **{name}**: {one['how']}. Keeps: {one['keeps']}." for name, one in result["contestants"].items()]
    parts = [f"### {result['title']}", result["question"], figures_table(result), "\n".join(ways), _footing(result)]
    failures = [f"- {name} failed: {why.splitlines()[0]}" for name, why in result["failures"].items()]
    return "\n\n".join([*parts, *failures])


def figures_table(result: Mapping[str, Any]) -> str:
    """Median, lowest and highest of every figure, one row a contestant."""
    each = {name: one["figures"] for name, one in result["contestants"].items() if one["figures"]}
    names = list(dict.fromkeys(figure for figures in each.values() for figure in figures))
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for name, figures in each.items():
        lines.append(f"| {name} | {' | '.join(_cell(figures.get(figure)) for figure in names)} |")
    return "\n".join(lines)


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return ""
    if len(figure["runs"]) == 1 or figure["low"] == figure["high"]:
        return shown(figure["median"])
    return f"{shown(figure['median'])} ({shown(figure['low'])}–{shown(figure['high'])})"


def _goal_row(title: str, goal: Mapping[str, Any]) -> str:
    stretch = "" if goal["stretch"] is None else shown(goal["stretch"])
    return f"| {title} | {goal['of']}: {_measured(goal)} | {_bound(goal)} | {stretch} | {_reached(goal)} |"


def _reached(goal: Mapping[str, Any]) -> str:
    if goal["measured"] is None:
        return "not measured"
    if goal["met"] is None:
        return ""
    if goal["stretch met"]:
        return "yes, and the stretch"
    return "yes" if goal["met"] else "no"


def _measured(goal: Mapping[str, Any]) -> str:
    if goal["measured"] is None:
        return "not measured"
    return f"{shown(goal['measured'])} {goal['what']}"


def _bound(goal: Mapping[str, Any]) -> str:
    if goal["most"] is not None:
        return f"≤ {shown(goal['most'])}"
    return "to be stated" if goal["least"] is None else f"≥ {shown(goal['least'])}"


def _measured_on(found: Sequence[Mapping[str, Any]]) -> str:
    last = max(found, key=lambda result: result["at"])
    commits = ", ".join(dict.fromkeys(_commit(result) for result in found))
    how = "everything on one machine, medians of interleaved rounds"
    return f"Measured at {commits}, {last['at'][:10]}, on {_hardware(last['machine'])}; {how}."


def _hardware(machine: Mapping[str, Any]) -> str:
    write = f"{machine['fdatasync of 8 kB, µs']} µs for a durable write of 8 kB"
    return f"{machine['processor']}, {machine['cores']} cores, {machine['memory GiB']} GiB, {write}"


def _commit(result: Mapping[str, Any]) -> str:
    return str(result["commit"]) + (" (with changes)" if result["changed since"] else "")


def _footing(result: Mapping[str, Any]) -> str:
    servers = "; ".join(result["servers"].values())
    size = "" if result["scale"] == 1 else f", at scale {result['scale']}"
    pins = {name: number for each in result["peers"].values() for name, number in each.items()}
    peers = ", ".join(f"{name} {pins[name]}" for name in sorted(pins, key=str.lower) if name.lower() in TOLD)
    beside = f" Peers: {peers}." if peers else ""
    return f"{result['rounds']} rounds{size}, {_commit(result)}, {result['at'][:16]} UTC. {servers}.{beside}"
