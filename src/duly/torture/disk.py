"""A file system of a run's own, small enough to be filled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

SIZE = "size=64m"


@contextmanager
def a_small_disk(folder: Path) -> Iterator[Path | None]:
    """Mounted below the folder, in memory; None where this account may not mount one."""
    place = folder / "disk"
    mount, umount = which("mount"), which("umount")
    if mount is None or umount is None or os.geteuid() != 0:
        yield None
        return
    place.mkdir()
    done = subprocess.run(  # noqa: S603  # a program of the system
        [mount, "-t", "tmpfs", "-o", SIZE, "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run([umount, "--lazy", str(place)], capture_output=True, check=False)  # noqa: S603
