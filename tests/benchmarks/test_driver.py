"""The driver of the benchmarks, on its smallest scenario: a file, Duly and the bare loop."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.harness import report
from benchmarks.scenarios.catalogue import SCENARIOS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    """What one small round printed and wrote."""
    folder = tmp_path_factory.mktemp("results")
    arguments = ["drain-sqlite", "--scale", "0.002", "--rounds", "1", "--only", "duly", "bare loop"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, "--out", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads((folder / "drain-sqlite.json").read_text())


@pytest.mark.full
@pytest.mark.system
def test_a_scenario_measures_everybody_and_says_on_what(run: tuple[str, dict]):
    _, result = run

    rates = {name: one["figures"]["tasks/s"]["median"] for name, one in result["contestants"].items() if one["figures"]}
    assert set(rates) == {"duly", "bare loop"}
    assert all(rate > 0 for rate in rates.values())
    assert result["failures"] == {}
    assert result["machine"]["cores"] >= 1
    assert "synchronous=FULL" in result["servers"]["sqlite"]


@pytest.mark.full
@pytest.mark.system
def test_its_table_has_a_row_for_each_and_the_goals_are_answered(run: tuple[str, dict]):
    printed, result = run

    assert "| duly | " in printed
    assert "| bare loop | " in printed
    ratio = next(goal for goal in result["goals"] if goal["against"] == "bare loop")
    medians = [result["contestants"][name]["figures"]["tasks/s"]["median"] for name in ("duly", "bare loop")]
    assert ratio["measured"] == pytest.approx(medians[0] / medians[1])


def test_tables_stand_between_their_markers_and_nothing_else_is_touched(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x: made by python -m benchmarks -->\nold\n<!-- end of x -->\nafter\n")

    report.replace(page, "x", "new")

    assert page.read_text() == "before\n<!-- x: made by python -m benchmarks -->\n\nnew\n\n<!-- end of x -->\nafter\n"


def test_the_tables_of_the_documentation_are_those_of_the_committed_results():
    names = [scenario.name for scenario in SCENARIOS]

    for file, name, text in report.blocks(names):
        assert f"{report.BEGIN.format(name=name)}\n\n{text}\n\n{report.END.format(name=name)}" in file.read_text(), (
            f"{file.name} is older than its results: make bench ARGS=--report"
        )
