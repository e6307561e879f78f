"""The environments of peers: made from pinned requirements on first use, never mixed with Duly's own."""

import hashlib
import shutil
import subprocess
import sys
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
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{requirements.name} needs {name}, which was not found.")
    return found


def versions_of(name: str) -> dict[str, str]:
    """What the requirements pin."""
    lines = (REQUIREMENTS / f"{name}.txt").read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)
