"""`/v1/stats`: figures for people and autoscalers."""

from collections.abc import Callable
from dataclasses import asdict, replace

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import json_response
from duly.api.query import names, parameters
from duly.api.rights import identity_of
from duly.engine.overview import Stats as Figures
from duly.engine.service import Service
from duly.wire.overview import QueueStats, Stats


class StatsRoutes:
    """Figures."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def get(self, request: Request) -> Response:
        """Live tasks, rates and times of each queue, counted every few seconds."""
        given = parameters(request, ("queues",))
        figures = await self._service().overview.stats(names(given.get("queues")))
        seen = identity_of(request).sees
        shown = replace(figures, queues=tuple(one for one in figures.queues if seen(one.queue.name)))
        return json_response(_shown(shown).model_dump_json())

    def add_to(self, router: APIRouter) -> None:
        """Put the route into a router."""
        router.add_api_route(
            "/v1/stats",
            self.get,
            methods=["GET"],
            tags=["queues"],
            operation_id="get_stats",
            responses=docs.responses({200: docs.answer(Stats, "All queues, or those named.")}),
            openapi_extra={
                "parameters": [
                    docs.parameter("query", "queues", "Names, separated by commas; zeros for a queue nobody knows.")
                ]
            },
        )


def _shown(figures: Figures) -> Stats:
    rows = [asdict(one) for one in figures.queues]
    return Stats(as_of=figures.as_of, queues=[QueueStats.model_validate(row | row.pop("queue")) for row in rows])
