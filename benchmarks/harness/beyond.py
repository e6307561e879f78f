"""What more machines would give, by arithmetic from the results: a block of docs/operate/beyond-one-machine.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.figures import shown

RATES = (1_000, 5_000, 20_000, 50_000)
BUSY = 0.7
"""So much of a core is reckoned with: above it, waits grow."""

MISSING = "Nothing was measured yet: `make bench B=cost`."


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one task, from its submit by HTTP to its outcome stored."""

    api: float
    """Seconds of processor, as all times here."""
    worker: float
    database: float
    commits: float
    log: float
    """Bytes."""
    flush: float
    idle: float
    """Queries a second of a worker process that finds nothing."""


def block(found: Sequence[Mapping[str, Any]]) -> str:
    """The tables and what follows from them, once ``cost`` was measured."""
    results = {result["scenario"]: result for result in found}
    if "cost" not in results or not (cost := _cost(results["cost"])).database:
        return MISSING
    parts = [_measured(cost), _needed(cost), _first(cost), _batches(results.get("http-batch"), cost)]
    return "\n\n".join(filter(None, parts))


def _cost(result: Mapping[str, Any]) -> Cost:
    figures = {name: one["median"] for name, one in result["contestants"]["duly"]["figures"].items()}

    def both(name: str) -> float:
        return figures.get(f"submit: {name}", 0.0) + figures.get(f"run: {name}", 0.0)

    return Cost(
        api=figures["submit: Python CPU µs"] / 1e6,
        worker=figures["run: Python CPU µs"] / 1e6,
        database=both("PostgreSQL CPU µs") / 1e6,
        commits=both("commits"),
        log=both("WAL bytes"),
        flush=result["machine"]["fdatasync of 8 kB, µs"] / 1e6,
        idle=figures["idle queries/s per worker"],
    )


def _measured(cost: Cost) -> str:
    rows = [
        ("one core of the API", "µs of processor", cost.api * 1e6, BUSY / cost.api),
        ("one core of workers", "µs of processor", cost.worker * 1e6, BUSY / cost.worker),
        ("one core of PostgreSQL", "µs of processor", cost.database * 1e6, BUSY / cost.database),
        ("one disk, a flush for every commit", "commits", cost.commits, _flushed(cost)),
        ("one disk that writes 200 MB/s", "bytes of log", cost.log, 200e6 / cost.log),
    ]
    lines = ["| | of one task | | tasks/s |", "| --- | ---: | --- | ---: |"]
    return "\n".join([*lines, *(f"| {who} | {shown(of)} | {unit} | {shown(rate)} |" for who, unit, of, rate in rows)])


def _flushed(cost: Cost) -> float:
    """Without group commit, which lets commits that come together share a flush: the least, not the most."""
    return 1 / cost.flush / cost.commits


def _needed(cost: Cost) -> str:
    lines = ["| tasks/s | API cores | worker cores | PostgreSQL cores | commits/s | log MB/s |", f"|{' ---: |' * 6}"]
    return "\n".join([*lines, *(_row(cost, rate) for rate in RATES)])


def _row(cost: Cost, rate: int) -> str:
    cores = (cost.api, cost.worker, cost.database)
    cells = [*(rate * one / BUSY for one in cores), rate * cost.commits, rate * cost.log / 1e6]
    return f"| {rate:,} | " + " | ".join(map(shown, cells)) + " |"


def _first(cost: Cost) -> str:
    """What saturates first: on one machine, and when API and workers have others."""
    parts = {"the API": cost.api, "the workers": cost.worker, "PostgreSQL": cost.database}
    whole, most = sum(parts.values()), max(parts, key=lambda name: parts[name])
    shares = ", ".join(f"{name} {one / whole:.0%}" for name, one in parts.items())
    alone = f"**On one machine the processor is first**: {shown(BUSY / whole)} tasks/s for each core ({shares})."
    moved = f"Most goes to {most}. With API and workers elsewhere, the database remains:"
    return f"{alone} {moved} {_database(cost, 8)}; {_database(cost, 32)}."


def _database(cost: Cost, cores: int) -> str:
    processor, disk = cores * BUSY / cost.database, _flushed(cost)
    shared = processor / disk
    flushes = f"its disk must then let {shown(shared)} commits share a flush" if shared > 1 else "its disk keeps up"
    return f"with {cores} cores its processor is full at {shown(processor)} tasks/s, and {flushes}"


def _batches(result: Mapping[str, Any] | None, cost: Cost) -> str:
    if result is None:
        return ""
    figures = result["contestants"]["duly, 1 API"]["figures"]
    if "API CPU µs/task" not in figures:
        return ""
    each = figures["API CPU µs/task"]["median"]
    return (
        f"**Batches are the cheapest machine**: a task in a batch of 500 costs the API {shown(each)} µs instead of "
        f"{shown(cost.api * 1e6)} µs, {shown(cost.api * 1e6 / each)} times less, and shares its commit with 499 others."
    )
