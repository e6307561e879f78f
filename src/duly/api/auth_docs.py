"""What `/openapi.json` says of identity: the ways to say who one is, and the scopes of each operation."""

from collections.abc import Collection
from typing import Any

from duly.api.rights import OPEN, RIGHTS
from duly.domain.identity import Scope

Json = dict[str, Any]

SCOPES = {
    Scope.SUBMIT: "Submit tasks.",
    Scope.READ: "Read tasks, queues, workers and figures.",
    Scope.CONTROL: "Cancel, retry and delete tasks; see tracebacks.",
    Scope.QUEUES: "Pause and resume queues.",
    Scope.WORKER: "Be a worker.",
    Scope.ADMIN: "Everything.",
}


def with_security(document: Json, *, asked: bool, opened: Collection[str] = OPEN) -> Json:
    """The document with its security schemes. Changes it. Operations that are not ours are left alone."""
    operations = {
        operation["operationId"]: (path, operation)
        for path, item in document.get("paths", {}).items()
        for operation in item.values()
        if "operationId" in operation
    }
    token_url = operations["create_token"][0] if "create_token" in operations else "/v1/token"
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes |= {"bearer": _BEARER, "oauth2": _oauth2(token_url)}
    for name, (_, operation) in operations.items():
        if name in opened:
            operation["security"] = []
        elif name in RIGHTS:
            operation["security"] = _ways(name) + ([] if asked else [{}])
    return document


def _ways(operation: str) -> list[Json]:
    """One of these suffices."""
    scopes = RIGHTS[operation].scopes
    oauth2: list[Json] = [{"oauth2": [scope.value]} for scope in scopes] or [{"oauth2": []}]
    return [{"bearer": []}, *oauth2]


_BEARER: Json = {"type": "http", "scheme": "bearer", "description": "An API key (`duly_…`) or a JWT."}


def _oauth2(token_url: str) -> Json:
    flow = {"tokenUrl": token_url, "scopes": {scope.value: text for scope, text in SCOPES.items()}}
    about = "`client_id`: the visible part of an API key; `client_secret`: the whole key."
    return {"type": "oauth2", "description": about, "flows": {"clientCredentials": flow}}
