"""Servers that a torture starts: where their programs are."""

from pathlib import Path

import pytest

from duly.torture import programs


def test_a_server_is_found_where_an_ordinary_path_does_not_lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Debian's mariadbd is in /usr/sbin: whoever is not root was told that it is not installed."""
    server = tmp_path / "somedbd"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    assert programs.program("somedbd") is None

    monkeypatch.setattr(programs, "SBIN", str(tmp_path))

    assert programs.program("somedbd") == str(server)
