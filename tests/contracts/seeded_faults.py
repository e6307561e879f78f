"""Seeds each fault into a copy of the product, runs the contract suite over it, and says which test caught it.

``python -m tests.contracts.seeded_faults [part of a name or store …]``; ends with 1 when a fault was not caught.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 600


@dataclass(frozen=True)
class Fault:
    """One of faults.toml, for one store."""

    name: str
    store: str
    file: str
    first: str
    edits: tuple[tuple[str, str], ...]


class Stale(Exception):
    """An edit does not fit the source any more: the list of faults must follow it."""


def main(wanted: list[str]) -> int:
    """Print the table line by line; the number of the process's exit."""
    _say("| fault | store | caught by |\n| --- | --- | --- |")
    chosen = [fault for fault in all_faults() if all(word in f"{fault.name} {fault.store}" for word in wanted)]
    escaped = 0
    for fault in chosen:
        caught_by = catch(fault)
        escaped += caught_by is None
        _say(f"| {fault.name} | {fault.store} | {caught_by or 'NOTHING'} |")
    return 1 if escaped or not chosen else 0


def all_faults() -> list[Fault]:
    """What faults.toml lists, store by store."""
    listed = tomllib.loads(Path(__file__).with_name("faults.toml").read_text())["fault"]
    return [
        Fault(one["name"], store, one["file"], one["first"], tuple((edit["old"], edit["new"]) for edit in one["edit"]))
        for one in listed
        for store in one["stores"]
    ]


def catch(fault: Fault) -> str | None:
    """The name of the first test that fails with the fault, or None."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(
            ROOT / "src" / "duly", Path(folder) / "duly", ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
        seed(fault, Path(folder) / "duly" / fault.file)
        return first_failure(fault, folder)


def seed(fault: Fault, path: Path) -> None:
    """Make the fault's edits. Raises Stale."""
    source = path.read_text()
    for old, new in fault.edits:
        if old not in source:
            raise Stale(f"{fault.name} ({fault.store}): {fault.file} does not contain {old!r}")
        source = source.replace(old, new)
    path.write_text(source)


def first_failure(fault: Fault, folder: str) -> str | None:
    """Which test fails with the product in the folder: the one that should, else the first of the whole suite."""
    selections = (f"tests/contracts/{fault.first}", "tests/contracts")
    return next((test for selection in selections if (test := _failing(selection, fault.store, folder))), None)


def _failing(selection: str, store: str, folder: str) -> str | None:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not full", "--timeout=60", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [*command, selection, "-k", store],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    if result.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) \S*?::(\S+)", result.stdout, re.MULTILINE)
    if found is None:
        raise Stale(f"The suite did not run:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return found[1]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
