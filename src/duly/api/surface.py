"""FastAPI, with a short way to the few routes that are asked for thousands of times a second."""

from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from duly.api.route import DirectRoute

_SUBMITS = ("submit_task", "submit_tasks")
_READ = "get_task"
_TASKS = "/v1/tasks/"
_WITH_ID = len(_TASKS) + 36


class Surface(FastAPI):
    """Submits and status reads go to their routes at once; the documents, and all other requests, know no difference.

    FastAPI's middleware and its search among all routes take as long as reading a task and writing it as JSON.
    """

    _door: ASGIApp | None = None

    def shorten(self, door: Callable[[ASGIApp], ASGIApp]) -> None:
        """Take the short way from now on, with this before its routes. Routes must be complete."""
        routes = [route for route in self.routes if isinstance(route, DirectRoute) and route.methods != {"HEAD"}]
        named = {route.operation_id: route for route in routes}
        self._submits = {named[name].path: named[name] for name in _SUBMITS}
        self._read = named[_READ]
        self._door = door(_to_route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._door is not None and self._is_hot(scope):
            await self._door(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def _is_hot(self, scope: Scope) -> bool:
        """Whether there is a short way; the scope has its route then, as it would have it after FastAPI's search."""
        if scope["type"] != "http" or scope.get("root_path"):
            return False
        path: str = scope["path"]
        if scope["method"] == "POST" and path in self._submits:
            scope["route"], scope["path_params"] = self._submits[path], {}
            return True
        if scope["method"] == "GET" and len(path) == _WITH_ID and path.startswith(_TASKS):
            task_id = path[len(_TASKS) :]
            scope["route"], scope["path_params"] = self._read, {"task_id": task_id}
            return "/" not in task_id
        return False


async def _to_route(scope: Scope, receive: Receive, send: Send) -> None:
    await scope["route"].handle(scope, receive, send)
