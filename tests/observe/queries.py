"""What Duly exposes, and what a PromQL expression asks for."""

import re
from pathlib import Path

from duly.domain.families import FAMILIES
from duly.domain.figures import Figures
from duly.telemetry.exposition import exposition
from tests.support.scrape import names

ROOT = Path(__file__).parents[2]
RULES = ROOT / "observe" / "prometheus" / "alerts.yml"
DASHBOARDS = sorted((ROOT / "observe" / "grafana" / "dashboards").glob("*.json"))

OF_PROMETHEUS = {"le", "instance", "job", "alertname", "alertstate"}

_METRIC = re.compile(r"\bduly[a-z0-9_:]+")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"")
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def exposed() -> set[str]:
    """Every name that a query may ask for, as the library writes them."""
    figures: Figures = {name: {family.labels: family.zero()} for name, family in FAMILIES.items()}
    return names(exposition(figures, "")[0].decode())


def labels() -> set[str]:
    return OF_PROMETHEUS.union(*(family.labels for family in FAMILIES.values()))


def asked(expression: str) -> set[str]:
    """The metrics that an expression names."""
    return set(_METRIC.findall(expression))


def labels_asked(expression: str) -> set[str]:
    grouped = {name.strip() for found in _GROUPED.findall(expression) for name in found.split(",")}
    return set(_MATCHER.findall(expression)) | grouped
