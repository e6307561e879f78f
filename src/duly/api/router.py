"""The routes, to be served by Duly itself or inside somebody else's application."""

from collections.abc import Callable, Sequence
from importlib.metadata import version

from fastapi import APIRouter
from fastapi.params import Depends

from duly.api.auth_token import TokenRoutes
from duly.api.rights import Entry
from duly.api.route import ProblemRoute, answer_heads
from duly.api.routes.capabilities import CapabilityRoutes
from duly.api.routes.lists import ListRoutes
from duly.api.routes.moves import MoveRoutes
from duly.api.routes.queues import QueueRoutes
from duly.api.routes.redrive import RedriveRoutes
from duly.api.routes.stats import StatsRoutes
from duly.api.routes.submit import SubmitRoutes
from duly.api.routes.task import TaskRoutes
from duly.api.routes.types import TypeRoutes
from duly.api.routes.workers import WorkerRoutes
from duly.engine.handlers import Handlers
from duly.engine.service import Service


def router(get_service: Callable[[], Service], handlers: Handlers, dependencies: Sequence[Depends] = ()) -> APIRouter:
    """The routes under `/v1`, to be included in a user's own application, behind his own dependencies.

    Their errors are problem documents there too, but for what the dependencies themselves raise and for faults of
    ours, which pass on to the application. Health and the check of Host are the application's own.
    """
    entry = Depends(Entry(get_service))
    made = APIRouter(route_class=ProblemRoute, dependencies=[*dependencies, entry])
    add_routes(made, get_service, handlers)
    answer_heads(made)
    return made


def add_routes(into: APIRouter, get_service: Callable[[], Service], handlers: Handlers) -> None:
    """Put the routes under `/v1` into a router that has an Entry. ``get_service`` is called for each request."""
    SubmitRoutes(get_service).add_to(into)
    ListRoutes(get_service).add_to(into)
    TaskRoutes(get_service).add_to(into)
    MoveRoutes(get_service).add_to(into)
    RedriveRoutes(get_service).add_to(into)
    TypeRoutes(handlers).add_to(into)
    QueueRoutes(get_service).add_to(into)
    WorkerRoutes(get_service).add_to(into)
    StatsRoutes(get_service).add_to(into)
    TokenRoutes(get_service).add_to(into)
    CapabilityRoutes(get_service, version("duly")).add_to(into)
