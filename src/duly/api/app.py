"""The HTTP surface as an application of its own."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Literal

from fastapi import Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from duly.api.door import LOOPBACK, Door
from duly.api.openapi import describe_types
from duly.api.problems import routing_problem
from duly.api.rights import Entry
from duly.api.route import DirectRoute, answer_heads
from duly.api.router import add_routes
from duly.api.routes.health import HealthRoutes
from duly.api.routes.pages import PageRoutes
from duly.engine.handlers import Handlers
from duly.engine.service import Service

Docs = Literal["public", "admin", "off"]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_DESCRIPTION = "Accepted at once, duly done: submit a task, have its id in milliseconds, ask what became of it."


def create_app(service: Service, *, allowed_hosts: Collection[str] | None = LOOPBACK, docs: Docs = "public") -> FastAPI:
    """The application for a service that is open. See ``application``."""
    asked = service.access is not None
    return application(lambda: service, service.handlers, allowed_hosts=allowed_hosts, docs=docs, asked=asked)


def application(
    get_service: Callable[[], Service],
    handlers: Handlers,
    *,
    allowed_hosts: Collection[str] | None = LOOPBACK,
    docs: Docs = "public",
    asked: bool = False,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """The whole surface: `/v1`, `/health`, `/docs`.

    ``get_service`` is called for each request; a lifespan may open what it gives. ``allowed_hosts`` are the names under
    which the service answers, without ports; None is any, for those who have allowed anonymous access from elsewhere
    or ask who comes. ``docs`` says who sees the pages that describe it; ``asked``, that clients must say who they are.
    """
    app = FastAPI(
        title="Duly",
        description=_DESCRIPTION,
        version=version("duly"),
        lifespan=lifespan,
        openapi_url="/openapi.json" if docs == "public" else None,
        dependencies=[Depends(Entry(get_service))],
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: _routing_error},
    )
    app.router.route_class = DirectRoute
    add_routes(app.router, get_service, handlers)
    HealthRoutes(get_service).add_to(app.router)
    if docs == "admin":
        PageRoutes(app).add_to(app.router)
    answer_heads(app.router)
    app.add_middleware(Door, allowed_hosts=allowed_hosts)
    describe_types(app, handlers, asked=asked)
    return app


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
