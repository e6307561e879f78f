"""`/v1/capabilities`: what this service runs on and what an accepted task survives."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import json_response
from duly.api.query import parameters
from duly.domain.errors import BrokerUnavailable, CacheUnavailable
from duly.engine.service import Service
from duly.ports.broker import Announcer
from duly.ports.cache import Cache
from duly.wire.service import Capabilities, Part


class CapabilityRoutes:
    """What the service says of itself."""

    def __init__(self, get_service: Callable[[], Service], version: str) -> None:
        self._service = get_service
        self._version = version

    async def get(self, request: Request) -> Response:
        """The parts in use, and the durability in force."""
        parameters(request, ())
        service = self._service()
        facts = await service.store.facts()
        shown = Capabilities(
            version=self._version,
            store=Part(kind=facts.kind, version=facts.version),
            broker=None if service.broker is None else await _broker(service.broker),
            cache=None if service.cache is None else await _cache(service.cache),
            durability=facts.durability,
        )
        return json_response(shown.model_dump_json())

    def add_to(self, router: APIRouter) -> None:
        """Put the route into a router."""
        router.add_api_route(
            "/v1/capabilities",
            self.get,
            methods=["GET"],
            tags=["service"],
            operation_id="get_capabilities",
            responses=docs.responses({200: docs.answer(Capabilities, "Asked from the database now.")}),
        )


async def _broker(broker: Announcer) -> Part:
    """The broker, or that it is away: tasks are found in the database meanwhile."""
    try:
        facts = await broker.facts()
    except BrokerUnavailable as error:
        return Part(kind="unavailable", version=str(error))
    return Part(kind=facts.kind, version=facts.version)


async def _cache(cache: Cache) -> Part:
    """The cache, or that it is away: the database answers meanwhile."""
    try:
        kind, _, about = (await cache.check()).partition(" ")
    except CacheUnavailable as error:
        return Part(kind="unavailable", version=str(error))
    return Part(kind=kind.lower(), version=about)
