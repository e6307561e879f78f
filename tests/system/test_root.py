"""The root of the package: every name is there, and a client pays for nothing else."""

import subprocess
import sys

import pytest

import duly


@pytest.mark.parametrize("name", duly.__all__)
def test_every_public_name_is_found(name: str):
    assert getattr(duly, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Duty'"):
        duly.Duty  # noqa: B018  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("imported", "heavy"),
    [
        ("duly", "sqlalchemy"),
        ("duly.client", "sqlalchemy"),
        ("duly.cli.tasks", "sqlalchemy"),
        ("duly.cli.work", "fastapi"),
    ],
)
def test_what_needs_it_not_does_not_import_it(imported: str, heavy: str):
    program = f"import sys, {imported}; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
