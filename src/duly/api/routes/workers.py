"""`/v1/workers`: who is alive."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import json_response
from duly.api.query import parameters
from duly.api.rights import identity_of
from duly.domain.identity import Identity
from duly.domain.stats import WorkerRecord
from duly.engine.service import Service
from duly.wire.overview import Worker, Workers


class WorkerRoutes:
    """The workers."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def list(self, request: Request) -> Response:
        """The worker processes that gave a sign of life lately."""
        parameters(request, ())
        records = _seen(await self._service().overview.workers(), identity_of(request))
        return json_response(Workers(workers=[Worker.model_validate(one) for one in records]).model_dump_json())

    def add_to(self, router: APIRouter) -> None:
        """Put the route into a router."""
        router.add_api_route(
            "/v1/workers",
            self.list,
            methods=["GET"],
            tags=["workers"],
            operation_id="list_workers",
            responses=docs.responses({200: docs.answer(Workers, "The oldest first.")}),
        )


def _seen(records: Iterable[WorkerRecord], identity: Identity) -> list[WorkerRecord]:
    """The workers that serve a queue which the client sees, with no other queue of theirs."""
    if identity.queues is None:
        return list(records)
    narrowed = (replace(one, queues=tuple(filter(identity.sees, one.queues))) for one in records)
    return [one for one in narrowed if one.queues]
