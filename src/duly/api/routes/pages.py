"""`/openapi.json` and `/docs` where only an administrator may see them."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse


class PageRoutes:
    """The pages that describe the application. They are no part of what they describe."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def document(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return JSONResponse(self._app.openapi())

    async def swagger(self, _request: Request) -> Response:
        """Swagger UI."""
        return get_swagger_ui_html(openapi_url="/openapi.json", title="Duly")

    def add_to(self, router: APIRouter) -> None:
        """Put the routes into a router. They stand in no table of rights, so they ask for ``admin``."""
        router.add_api_route("/openapi.json", self.document, include_in_schema=False, operation_id="get_openapi")
        router.add_api_route("/docs", self.swagger, include_in_schema=False, operation_id="get_docs", responses=_HTML)


_HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}}}
"""What is answered, for a client that accepts nothing else."""
