"""What stands on every log line of a request or an attempt, as structlog finds it in the context."""

from contextvars import ContextVar

from structlog.contextvars import STRUCTLOG_KEY_PREFIX

REQUEST_ID: ContextVar[str] = ContextVar(f"{STRUCTLOG_KEY_PREFIX}request_id")
TASK: ContextVar[str] = ContextVar(f"{STRUCTLOG_KEY_PREFIX}task")
"""structlog's own ``bind_contextvars`` takes three times as long to set them."""
