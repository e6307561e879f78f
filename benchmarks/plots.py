"""Draws how it grows, one SVG for each thing that was varied: ``python -m benchmarks.plots RESULT FOLDER``.

``python -m benchmarks`` calls it after measuring, or with ``--report``, in an environment that has matplotlib.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

AXES = {
    "batch": "tasks in one submit",
    "slots": "slots of one worker process",
    "processes": "worker processes of 200 slots",
    "finished": "finished rows",
    "waiting": "waiting rows",
    "payload": "bytes of payload",
}
LINEAR = {"processes"}
INK, BAND = "#1f5f8b", "#1f5f8b33"


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    target.mkdir(parents=True, exist_ok=True)
    for name, points in series(json.loads(source.read_text())).items():
        draw(name, points, target / f"{name}.svg")


def series(result: Mapping[str, Any]) -> dict[str, list[tuple[int, float, float, float]]]:
    """Of each axis: what was varied, then median, lowest and highest rate."""
    found = defaultdict(list)
    for contestant, one in result["contestants"].items():
        axis, _, at = contestant.partition(" ")
        rate = one["figures"].get("tasks/s")
        if rate is not None:
            found[axis].append((int(at), rate["median"], rate["low"], rate["high"]))
    return {axis: sorted(points) for axis, points in found.items()}


def draw(name: str, points: Sequence[tuple[int, float, float, float]], file: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415  # only in the environment of the plots

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.rcParams["svg.hashsalt"] = name  # the same figures make the same file
    at, median, low, high = zip(*points, strict=True)
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    axes.fill_between(at, low, high, color=BAND, linewidth=0)
    axes.plot(at, median, marker="o", color=INK)
    if name not in LINEAR:
        axes.set_xscale("log")
    axes.set_xticks(at, [f"{one:,}" for one in at])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(AXES[name])
    axes.set_ylabel("tasks/s")
    axes.grid(axis="y", linewidth=0.5, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
