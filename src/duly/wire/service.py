"""What the service says of itself."""

from pydantic import BaseModel, Field


class Part(BaseModel):
    """A part that the service runs on."""

    kind: str
    version: str


class Capabilities(BaseModel):
    """The parts in use and what an accepted task survives."""

    version: str = Field(description="Of Duly.")
    store: Part
    broker: Part | None = Field(default=None, description="Null: workers ask the database.")
    cache: Part | None = Field(default=None, description="Null: reads ask the database.")
    durability: str = Field(description="What a commit survives, as the database is set up now.")


class Health(BaseModel):
    """All is well."""

    status: str = "ok"
