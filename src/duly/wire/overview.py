"""Queues, workers and figures as they are shown."""

from pydantic import BaseModel, ConfigDict, Field

from duly.wire.values import Seconds, Time


class Queue(BaseModel):
    """A queue now."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    paused: bool
    scheduled: int
    pending: int
    running: int
    oldest_pending_age: Seconds | None = Field(description="Seconds. Null when nothing is pending.")
    in_rate: float = Field(description="Submitted per second.")
    out_rate: float = Field(description="Ended per second.")


class Queues(BaseModel):
    """Every queue, by name."""

    queues: list[Queue]


class QueueStats(BaseModel):
    """The figures of a queue. Times are in seconds, of tasks that ended lately; null when there were none."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    paused: bool
    scheduled: int
    pending: int
    running: int
    oldest_pending_age: Seconds | None
    in_rate: float
    out_rate: float
    wait_p50: Seconds | None
    wait_p95: Seconds | None
    wait_p99: Seconds | None
    run_p50: Seconds | None
    run_p95: Seconds | None
    run_p99: Seconds | None


class Stats(BaseModel):
    """The figures of all queues, counted at ``as_of``."""

    model_config = ConfigDict(from_attributes=True)

    as_of: Time
    queues: list[QueueStats]


class Worker(BaseModel):
    """A worker process that is alive."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    host: str
    pid: int
    queues: list[str]
    types: list[str]
    slots: int
    running: int
    version: str
    started_at: Time
    seen_at: Time = Field(description="Its last sign of life.")


class Workers(BaseModel):
    """Who is alive, the oldest first."""

    workers: list[Worker]
