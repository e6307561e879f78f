"""`/metrics`: figures for Prometheus."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.rights import IDENTITY
from duly.domain.errors import NotFound
from duly.domain.identity import Forbidden, Identity
from duly.engine.service import Service
from duly.telemetry.exposition import exposed

_TEXT = {"schema": {"type": "string"}}


class MetricsRoutes:
    """All figures at once."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def get(self, request: Request) -> Response:
        """Figures of the processes behind this port, and of all queues and workers."""
        identity: Identity | None = request.scope.get(IDENTITY)
        if identity is not None and identity.queues is not None:
            raise Forbidden("This needs a key for all queues.")
        survey = self._service().survey
        if survey is None:
            raise NotFound("There are no metrics here: DULY_METRICS is off.")
        content, media_type = await exposed(await survey.figures(), request.headers.get("accept", ""))
        return Response(content, headers={"content-type": media_type, "cache-control": "no-store"})

    def add_to(self, router: APIRouter) -> None:
        """Put the route into a router."""
        described = "The text form of Prometheus, or OpenMetrics, whichever `Accept` likes better."
        answer = docs.answer(None, described, {"Cache-Control": docs.NO_STORE})
        answer["content"] = {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}
        router.add_api_route(
            "/metrics",
            self.get,
            methods=["GET"],
            tags=["service"],
            operation_id="get_metrics",
            response_class=Response,
            responses=docs.responses({200: answer}, "not-found"),
        )
