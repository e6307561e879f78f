"""Commands within the test's own process: as fast as what they do."""

import logging
import sys
from dataclasses import dataclass

import pytest
import structlog

from duly.cli.main import main
from duly.client import Client
from tests.support.service import Place


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def duly(monkeypatch, capsys):
    """Call it with a place and the command's arguments; what a process leaves behind is put back afterwards."""
    root = logging.getLogger()
    handlers, level, modules, path = root.handlers[:], root.level, set(sys.modules), sys.path[:]

    def run(place, *arguments, **env):
        for name, value in {**place.env, **env}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(place.folder)
        monkeypatch.setattr(sys, "argv", ["duly", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ended(ended.value.code or 0, out, err)

    yield run
    for name in set(sys.modules) - modules:
        if name in ("app", "broken"):
            del sys.modules[name]
    sys.path[:] = path
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def call(duly, service, tmp_path):
    """A command that talks to the service."""
    return lambda *arguments: duly(Place(tmp_path, {"DULY_URL": service}), *arguments)


@pytest.fixture
def client(service):
    with Client(service) as client:
        yield client
