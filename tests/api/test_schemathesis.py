"""What the OpenAPI document says, held against a running service of two processes by a tool that is not ours."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import a_place, answers

SECONDS = 20

REFUSALS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 404, 409, 410, 422, 429]
"""
"""A schema cannot say which keys were used, which cursors were given out and which tasks are gone."""


@pytest.mark.system
@pytest.mark.timeout(300)
def test_no_answer_is_undocumented_and_none_is_a_fault(tmp_path: Path):
    """Every check: no 5xx, no status, header, form or schema that the document does not have."""
    place = a_place(tmp_path)
    config = tmp_path / "schemathesis.toml"
    config.write_text(REFUSALS)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    place.migrate()
    with place.duly("api", "app:duly", "--port", str(port), "--processes", "2"):
        eventually(lambda: answers(url))
        command = _command(url, config)
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)

    assert ended.returncode == 0, ended.stdout[-10_000:] + ended.stderr[-2_000:]


def _command(url: str, config: Path) -> list[str]:
    program = str(Path(sys.executable).with_name("schemathesis"))
    how = ["--generation-deterministic", "--max-time", str(SECONDS), "--warnings", "off", "--checks", "all"]
    return [program, "--no-color", "--config-file", str(config), "run", f"{url}/openapi.json", *how]
