"""`/health/live` and `/health/ready`."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import json_response
from duly.domain.errors import StoreUnavailable
from duly.engine.service import Service
from duly.wire.service import Health

PATIENCE = timedelta(seconds=5)
"""A store that has not proved a write by then is not ready."""


class HealthRoutes:
    """Whether the process lives, and whether it can do its work."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def live(self, _request: Request) -> Response:
        """This process answers."""
        return json_response(Health().model_dump_json())

    async def ready(self, _request: Request) -> Response:
        """A write to the store works now, and what runs behind the service does."""
        if self._service().failed.is_set():
            raise StoreUnavailable("What runs behind this process has failed: it must be started again.")
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                await self._service().store.check()
        except TimeoutError as error:
            raise StoreUnavailable(f"The store did not take a write within {PATIENCE.seconds} seconds.") from error
        return json_response(Health().model_dump_json())

    def add_to(self, router: APIRouter) -> None:
        """Put the routes into a router."""
        for check in (self.live, self.ready):
            router.add_api_route(
                f"/health/{check.__name__}",
                check,
                methods=["GET"],
                tags=["service"],
                operation_id=f"health_{check.__name__}",
                responses=docs.responses({200: docs.answer(Health, "All is well.")}),
            )
