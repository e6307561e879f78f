"""Duly with a bug planted in it is refuted within a minute, by the property that it breaks."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import missing

BUGS = Path(__file__).parent / "bugs"
PATIENCE = "30"
SEED = "1"
"""With most others the bugs show too; with a few, the faults that they need come while nothing is under way."""

CASES = {
    "no_fence": ("sqlite", "none", "none", "stop", {"doubled"}),
    "no_version": ("sqlite", "none", "none", "kill,stop", {"doubled"}),
    "early_reply": ("sqlite", "none", "none", "kill", {"lost"}),
    "early_ack": ("sqlite", "redis", "none", "kill,flush", {"stuck"}),
    "early_cache": ("sqlite", "none", "redis", "kill", {"doubled", "illegal moves"}),
}
"""Store, broker, cache and faults with which it shows, and what must be refuted."""


@pytest.mark.full
@pytest.mark.system
@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", CASES)
def test_a_planted_bug_is_refuted(bug, tmp_path):
    store, broker, cache, faults, wanted = CASES[bug]
    if "redis" in (broker, cache) and shutil.which("redis-server") is None:
        missing("redis-server is not installed")

    how = [
        "--minutes",
        "0.75",
        "--patience",
        PATIENCE,
        "--seed",
        SEED,
        "--faults",
        faults,
        "--folder",
        str(tmp_path / "run"),
    ]
    what = ["--store", store, "--broker", broker, "--cache", cache, "--app", f"{bug}:duly", "--app-dir", str(BUGS)]
    command = [sys.executable, "-m", "duly", "torture", *how, *what]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)

    assert ended.returncode == 1, ended.stderr
    assert wanted <= refuted(ended.stdout), ended.stdout


def refuted(text):
    """The names in the checker's line that have a count."""
    line = next(line for line in text.splitlines() if line.startswith("lost "))
    counts = dict(re.fullmatch(r"(.+) (\d+)", part).groups() for part in line.split(" · "))
    return {name for name, count in counts.items() if int(count)}
