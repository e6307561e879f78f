"""Figures of several rounds: median and range."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def summary(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Each figure with its runs, median, lowest and highest."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: _of([run[name] for run in runs if name in run]) for name in names}


def percentiles(seconds: Sequence[float], prefix: str = "") -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    if len(seconds) < 2:
        return {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {f"{prefix}p50 ms": cuts[49] * 1000, f"{prefix}p99 ms": cuts[98] * 1000}


def shown(value: float) -> str:
    """As many digits as mean something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _of(values: Sequence[float]) -> dict[str, Any]:
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "runs": [round(value, 4) for value in values],
    }
