"""Results as files: one JSON document a scenario, written after every round."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.processes import ROOT

KEPT = ROOT / "benchmarks" / "results"
"""Full runs: these are committed, and the documentation's tables are made from them."""

TRIED = ROOT / ".bench" / "results"
"""Runs at another scale than 1."""


def write(folder: Path, result: Mapping[str, Any]) -> Path:
    """Whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result['scenario']}.json"
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    fresh.replace(file)
    return file


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """None: there is none yet."""
    file = folder / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def all_of(folder: Path, names: "list[str]") -> Iterator[dict[str, Any]]:
    """Those that are there, in this order."""
    for name in names:
        found = read(folder, name)
        if found is not None:
            yield found
