"""Counts answered requests, by the template of their route: what clients put into a path is no label."""

from collections.abc import Callable

from starlette.types import Scope

from duly.domain.families import HTTP, HTTP_TIME
from duly.domain.figures import OTHER
from duly.ports.telemetry import Tally

Count = Callable[[Scope, int, float], None]
"""Is told of an answered request: its scope, the status, and how many seconds it took until the answer began."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def http_count(tally: Tally) -> Count:
    """Counts into this tally."""

    def count(scope: Scope, status: int, took: float) -> None:
        route = getattr(scope.get("route"), "path_format", OTHER)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        tally.add(HTTP, route, method, str(status))
        tally.observe(HTTP_TIME, took, route, method)

    return count
