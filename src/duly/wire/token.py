"""A token for an API key."""

from pydantic import BaseModel, Field


class Token(BaseModel):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105  # the name of a type
    expires_in: int = Field(description="Seconds.")
    scope: str = Field(description="What it holds, separated by spaces.")
