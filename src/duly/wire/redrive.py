"""Many tasks that ended badly, to be done again."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from duly.wire.values import Text, Time

MOST = 1_000

_EXAMPLE: JsonDict = {"filter": {"state": "failed", "type": "mail.send", "error_type": "ConnectionError"}, "limit": 500}


class RedriveFilter(BaseModel):
    """Which tasks; a field that is left out does not filter."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["failed", "cancelled"] = "failed"
    type: Text | None = None
    queue: Text | None = None
    tag: Text | None = None
    error_type: Text | None = Field(default=None, description="The class of the exception.")
    created_after: Time | None = Field(default=None, description="Inclusive.")
    created_before: Time | None = Field(default=None, description="Exclusive.")


class Redrive(BaseModel):
    """Which tasks, and how many of them at most."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    filter: RedriveFilter
    limit: Annotated[int, Field(strict=True)] = Field(default=MOST, ge=1, le=MOST)
    cursor: str | None = Field(default=None, description="`next` of the answer before.")


class Redriven(BaseModel):
    """What was done."""

    retried: int = Field(description="So many are pending again, each by this request.")
    skipped: int = Field(description="So many stay as they are, because a live task holds their key.")
    next: str | None = Field(description="Where to go on. Null when all that fits was looked at.")
