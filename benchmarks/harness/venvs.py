"""The environments of peers: made from pinned requirements on first use, never mixed with Duly's own."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.processes import ROOT

CACHE = ROOT / ".bench" / "venvs"
REQUIREMENTS = ROOT / "benchmarks" / "peers" / "requirements"


def python_of(name: str) -> Path:
    """The interpreter of this environment, which is made when it is missing or its requirements changed."""
    folder, wanted = CACHE / name, REQUIREMENTS / f"{name}.txt"
    stamp, digest = folder / "made-from", hashlib.sha256(wanted.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        print(f"making the environment of {name} ...", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([_interpreter(wanted), "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(wanted)], check=True)
        stamp.write_text(digest)
    return folder / "bin" / "python"


def _interpreter(requirements: Path) -> str:
    """Duly's own, unless the first line asks for another: ``# python 3.12``. Raises when there is none."""
    first = requirements.read_text().partition("\n")[0]
    if not first.startswith("# python "):
        return sys.executable
    name = "python" + first.removeprefix("# python ").strip()
    found = next(filter(_runs, _named(name)), None)
    if found is None:
        raise SystemExit(f"{requirements.name} needs {name}, which was not found.")
    return found


def _named(name: str) -> Iterator[str]:
    """On the path, where pyenv may show one that is not chosen and does not run; then those that pyenv has."""
    if on_path := shutil.which(name):
        yield on_path
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from map(str, versions.glob(f"*/bin/{name}"))


def _runs(python: str) -> bool:
    return subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0


def versions_of(name: str) -> dict[str, str]:
    """What the requirements pin."""
    lines = (REQUIREMENTS / f"{name}.txt").read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)
