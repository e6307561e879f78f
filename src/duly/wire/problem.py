"""Errors as they are answered (RFC 9457)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

MEDIA_TYPE = "application/problem+json"

DOCS = "https://duly.readthedocs.io/en/stable/problems/"
"""Where each code is explained; the code is the end of the address."""

_EXAMPLE: JsonDict = {
    "type": f"{DOCS}invalid",
    "title": "The request does not fit",
    "status": 422,
    "detail": "The payload does not fit the handler's signature.",
    "instance": "/v1/tasks",
    "code": "invalid",
    "errors": [{"pointer": "/payload/text", "detail": "Field required"}],
}


class Flaw(BaseModel):
    """One place in a body that is wrong."""

    pointer: str = Field(description="JSON pointer (RFC 6901).")
    detail: str


class Problem(BaseModel):
    """What went wrong. The code is stable, the texts are for people."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": _EXAMPLE})

    type: str = Field(description="Where this is explained.")
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    code: str
    errors: list[Flaw] | None = Field(default=None, description="For bad bodies: every place that is wrong.")
    state: str | None = Field(default=None, description="For 409: the state of the task.")
    error: Any = Field(default=None, description="For the result of a failed task: its error.")
