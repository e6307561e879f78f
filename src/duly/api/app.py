"""The HTTP surface as an application of its own."""

from collections.abc import Callable, Collection, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

from fastapi import Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from duly.api.count import http_count
from duly.api.door import LOOPBACK, Door
from duly.api.openapi import describe_types
from duly.api.problems import routing_problem
from duly.api.rights import OPEN, Entry
from duly.api.route import DirectRoute, answer_heads
from duly.api.router import add_routes
from duly.api.routes.health import HealthRoutes
from duly.api.routes.metrics import MetricsRoutes
from duly.api.routes.pages import PageRoutes
from duly.api.surface import Surface
from duly.engine.handlers import Handlers
from duly.engine.service import Service
from duly.ports.telemetry import Tally
from duly.telemetry.tracing import provided

Docs = Literal["public", "admin", "off"]
Metrics = Literal["public", "read", "off"]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_DESCRIPTION = "Accepted at once, duly done: submit a task, have its id in milliseconds, ask what became of it."


def _unwatched(scope: MutableMapping[str, Any]) -> bool:
    """Whoever asks whether it lives asks every few seconds."""
    return str(scope["path"]).startswith(("/health/", "/metrics"))


_TELEMETRY: Any = {
    "operation_spans": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
    "exclude": _unwatched,
}
"""FastAPI makes the span of a request, from 0.165 on, where the process has a tracer provider; the rest is ours."""


def create_app(
    service: Service,
    *,
    allowed_hosts: Collection[str] | None = LOOPBACK,
    docs: Docs = "public",
    metrics: Metrics = "read",
) -> FastAPI:
    """The application for a service that is open. See ``application``."""
    asked = service.access is not None
    return application(
        lambda: service,
        service.handlers,
        allowed_hosts=allowed_hosts,
        docs=docs,
        metrics=metrics,
        asked=asked,
        tally=service.tally,
    )


def application(
    get_service: Callable[[], Service],
    handlers: Handlers,
    *,
    allowed_hosts: Collection[str] | None = LOOPBACK,
    docs: Docs = "public",
    metrics: Metrics = "read",
    asked: bool = False,
    tally: Tally | None = None,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """The whole surface: `/v1`, `/health`, `/metrics`, `/docs`.

    ``get_service`` is called for each request; a lifespan may open what it gives. ``allowed_hosts`` are the names under
    which the service answers, without ports; None is any, for those who have allowed anonymous access from elsewhere
    or ask who comes. Where clients are ``asked`` who they are, ``docs`` says who sees the pages that describe it, and
    ``metrics`` who may scrape it. ``tally`` counts what is answered.
    """
    opened = OPEN | {"get_metrics"} if metrics == "public" else OPEN
    app = _bare(Entry(get_service, opened), docs, lifespan)
    _add_routes(app, get_service, handlers, docs)
    if metrics != "off":
        MetricsRoutes(get_service).add_to(app.router)
    answer_heads(app.router)
    count = None if tally is None else http_count(tally)
    app.add_middleware(Door, allowed_hosts=allowed_hosts, count=count)
    if not provided():  # FastAPI makes the spans of requests, on its own way
        app.shorten(partial(Door, allowed_hosts=allowed_hosts, count=count))
    describe_types(app, handlers, asked=asked, opened=opened)
    return app


def _bare(entry: Entry, docs: Docs, lifespan: Lifespan | None) -> Surface:
    return Surface(
        title="Duly",
        description=_DESCRIPTION,
        version=version("duly"),
        lifespan=lifespan,
        openapi_url="/openapi.json" if docs == "public" else None,
        dependencies=[Depends(entry)],
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: _routing_error},
        telemetry=_TELEMETRY,
    )


def _add_routes(app: FastAPI, get_service: Callable[[], Service], handlers: Handlers, docs: Docs) -> None:
    app.router.route_class = DirectRoute
    add_routes(app.router, get_service, handlers)
    HealthRoutes(get_service).add_to(app.router)
    if docs == "admin":
        PageRoutes(app).add_to(app.router)


async def _routing_error(request: Request, error: Exception) -> Response:
    """No such route, or a wrong method: then ``Allow`` names what the resource at this path takes."""
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it alone
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(sorted(_methods(request.app.router.routes, request.scope)))
    return routing_problem(error, request.scope, headers)


def _methods(routes: Sequence[BaseRoute], scope: Scope) -> set[str]:
    """Of the first path that fits: a pause is a resource of its own, though the name of a queue could end so."""
    fitting = [route for route in routes if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE]
    return {method for route in fitting if route.path == fitting[0].path for method in route.methods or ()}
