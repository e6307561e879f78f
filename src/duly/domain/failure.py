"""What is kept of an error: the ``error`` of a task."""

import json
from dataclasses import dataclass
from datetime import datetime

from duly.domain.moment import rfc3339

MAX_MESSAGE = 8_192
MAX_TRACEBACK = 32_768


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is stored. Text that UTF-8 cannot carry is escaped, and long text is cut in the middle."""

    type: str
    message: str
    traceback: str | None = None
    retryable: bool = False

    def as_json(self, attempt: int, at: datetime) -> str:
        """The stored form: JSON text in ASCII."""
        return json.dumps(
            {
                "type": printable(self.type, 256),
                "message": printable(self.message, MAX_MESSAGE),
                "traceback": None if self.traceback is None else printable(self.traceback, MAX_TRACEBACK),
                "attempt": attempt,
                "at": rfc3339(at),
                "retryable": self.retryable,
            }
        )


def printable(text: str, longest: int) -> str:
    """The text without lone surrogates (escaped instead), its middle left out beyond ``longest`` characters."""
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(clean) <= longest:
        return clean
    half = (longest - 5) // 2
    return f"{clean[:half]} ... {clean[len(clean) - half :]}"
