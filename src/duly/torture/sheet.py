"""A run in figures: one JSON object for a machine, and tables of such objects for the documentation."""

import json
import platform
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean

from duly.torture.plan import Plan
from duly.torture.rates import PATIENT, told
from duly.torture.records import Json
from duly.torture.run import Course
from duly.torture.verdict import Verdict

HEAD = (
    *("store, broker, cache", "tasks", "faults", "lost", "doubled", "innocent poison", "other findings"),
    *(
        "refused stale writes",
        "longest recovery",
        "rate before",
        "rate after",
        "back within",
        "slowest end by SIGTERM",
    ),
)

TOLD = """\
Tasks done a second during each scenario, in per cent of those before the first, and how long after it there were as
many as before again (at least 95 % over five seconds; the longest time, where a run had it more than once); –: not in
this run."""


def sheet(plan: Plan, course: Course, verdict: Verdict, command: str) -> Json:
    """What a table needs, and with what it was made."""
    return {
        "pair": pair(plan),
        "verdict": verdict.line,
        "proved": verdict.proved,
        "row": dict(zip(("lost", "doubled", "innocent", "others", "refused", "recovery"), verdict.row, strict=True)),
        "tasks": verdict.tasks,
        "accepted": verdict.accepted,
        "all_final": course.all_final,
        "before": round(course.before, 1),
        "after": round(course.after, 1),
        "slowest_end": round(course.slowest_end, 1),
        "stuck": course.stuck,
        "faults": [] if course.rates is None else told(course.past, course.rates, course.before),
        "barred": course.barred,
        "minutes": plan.minutes,
        "seed": plan.seed,
        "command": command,
        "commit": _commit(),
        "machine": f"{platform.system()}, Python {platform.python_version()}",
    }


def pair(plan: Plan) -> str:
    """Its store and its broker, and its cache if there is one, by their makes."""
    broker = "celery" if plan.broker.startswith("celery") else plan.broker.partition(":")[0]
    parts = dict.fromkeys((plan.store.partition(":")[0], broker, plan.cache.partition(":")[0]))
    return "+".join(part for part in parts if part != "none")


def tables(sheets: Sequence[Json]) -> str:
    """In Markdown: a row for each run; then a row for each scenario, with a column for each run."""
    runs = _markdown(HEAD, [_row(one) for one in sheets])
    faults = _markdown(["scenario", *(one["pair"] for one in sheets)], list(_scenarios(sheets)))
    made = "\n".join(f"- `{one['command']}` at {one['commit']} ({one['machine']})" for one in sheets)
    return f"{runs}\n\nMade with:\n\n{made}\n\n{TOLD}\n\n{faults}\n"


def read_sheets(paths: Iterable[Path]) -> list[Json]:
    """What ``--json`` wrote."""
    return [json.loads(path.read_text()) for path in paths]


def _row(one: Json) -> tuple[str, ...]:
    row = one["row"]
    return (
        one["pair"],
        f"{one['tasks']:,}",
        str(len(one["faults"])),
        *(row[name] for name in ("lost", "doubled", "innocent", "others", "refused", "recovery")),
        f"{one['before']}/s",
        f"{one['after']}/s",
        _back(one["faults"]),
        f"{one['slowest_end']} s",
    )


def _scenarios(sheets: Sequence[Json]) -> Iterator[tuple[str, ...]]:
    for scenario in sorted({fault["scenario"] for one in sheets for fault in one["faults"]}):
        yield (scenario, *(_cell(one, scenario) for one in sheets))


def _cell(one: Json, scenario: str) -> str:
    """Over all times that it was inflicted in this run."""
    mine = [fault for fault in one["faults"] if fault["scenario"] == scenario]
    if not mine:
        return "–"
    during = mean(fault["during"] for fault in mine) / (one["before"] or 1)
    return f"{during:.0%}, {_back(mine)}"


def _back(faults: Sequence[Json]) -> str:
    """The longest time until the rate of before was there again."""
    times = [fault["back"] for fault in faults]
    return f"not in {PATIENT:.0f} s" if None in times else f"{max(times, default=0):.0f} s"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _commit() -> str:
    """Of the folder that Duly's code is in; its version's name where that is no repository."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],  # noqa: S607
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
